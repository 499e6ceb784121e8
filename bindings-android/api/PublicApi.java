import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import java.util.Set;
import org.jetbrains.kotlin.abi.tools.AbiFilters;
import org.jetbrains.kotlin.abi.tools.AbiToolsFactory;

/** Prints the public API of a folder of classes, as Kotlin's own tool sees it: `internal` is not public. */
public class PublicApi {
    /** Public for Larder's own modules alone, because Kotlin's {@code internal} ends at a module. */
    private static final Set<String> BRIDGES = Set.of("dev.larder.internal.ManifestRewriter");

    public static void main(String[] arguments) throws Exception {
        List<File> classes = new ArrayList<>();
        try (var files = Files.walk(Path.of(arguments[0]))) {
            files.filter(file -> file.toString().endsWith(".class")).sorted().forEach(file -> classes.add(file.toFile()));
        }
        var filters = new AbiFilters(Set.of(), BRIDGES, Set.of(), Set.of());
        ServiceLoader.load(AbiToolsFactory.class).findFirst().orElseThrow().get().printJvmDump(System.out, classes, filters);
    }
}
