package dev.larder.drm;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.os.Build;
import dev.larder.AssetStatus;
import dev.larder.Cancellable;
import dev.larder.DrmScheme;
import dev.larder.LarderException;
import dev.larder.LarderSetup;
import dev.larder.LocalAssetsManager;
import dev.larder.MediaSource;
import dev.larder.PlayabilityReason;
import dev.larder.ReconcileReport;
import dev.larder.RenewalPolicy;
import dev.larder.ResultListener;
import dev.larder.support.TestDevice;
import dev.larder.support.ScriptedStorage;
import dev.larder.support.TestServersRule;
import dev.larder.support.VirtualCdm;
import dev.larder.support.WidevineKt;
import java.io.File;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.junit.After;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;

/** Tests the engine from Java with the whole life of a film. */
@RunWith(RobolectricTestRunner.class)
public class MediaDrmEngineJavaTest {
    private static final UUID WIDEVINE = UUID.fromString("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed");
    private static final Executor SAME_THREAD = Runnable::run;

    @Rule
    public final TestServersRule servers = new TestServersRule();
    private final TestDevice device = new TestDevice();
    private final ScriptedStorage storage = new ScriptedStorage();

    @Before
    public void freshDevice() {
        VirtualCdm.INSTANCE.reset();
        VirtualCdm.INSTANCE.setProvisioningUrl(servers.url("/widevine/provision"));
    }

    @After
    public void end() {
        device.close();
    }

    @Test
    public void aFilmIsRegisteredInspectedRefreshedAndReleased() throws Exception {
        String film = device.download("dash-cenc");
        MediaSource source = WidevineKt.widevineSource(servers, "", RenewalPolicy.IN_PLACE);
        MediaDrmEngine engine = new MediaDrmEngine(DrmScheme.WIDEVINE, WIDEVINE, Map.of("household", "7"));
        try (LocalAssetsManager manager = new LocalAssetsManager(setup(engine))) {
            CompletableFuture<String> registered = new CompletableFuture<>();
            manager.registerAsset(source, film, "film", new LocalAssetsManager.AssetRegistrationListener() {
                @Override
                public void onRegistered(String assetPath) {
                    registered.complete(assetPath);
                }

                @Override
                public void onFailed(String assetPath, Exception error) {
                    registered.completeExceptionally(error);
                }
            }, SAME_THREAD);
            assertEquals(film, registered.get(30, TimeUnit.SECONDS));
            assertEquals("7", VirtualCdm.INSTANCE.getAsked().get(0).getParameters().get("household"));

            AssetStatus status = answer(listener -> manager.verifyAsset("film", true, true, listener, SAME_THREAD));
            assertTrue(status.isPlayable());
            answer((ResultListener<AssetStatus> listener) -> manager.refreshAsset("film", listener, SAME_THREAD));
            assertEquals(1, servers.getIssued());

            VirtualCdm.INSTANCE.vanish(VirtualCdm.INSTANCE.getIds().get(0));
            AssetStatus lost = answer(listener -> manager.verifyAsset("film", false, true, listener, SAME_THREAD));
            assertEquals(PlayabilityReason.LICENSE_VANISHED, lost.getWhy());

            CompletableFuture<String> removed = new CompletableFuture<>();
            manager.unregisterAsset(film, "film", removed::complete, SAME_THREAD);
            assertEquals(film, removed.get(30, TimeUnit.SECONDS));
            ReconcileReport reconciled = answer(listener -> manager.reconcile(listener, SAME_THREAD));
            // Before Android 10 a CDM cannot list its licenses.
            assertEquals(Build.VERSION.SDK_INT < 29 ? null : Integer.valueOf(0), reconciled.getHeld());
            assertFalse(reconciled.isCrowded());
        }
    }

    @Test
    public void theEngineReportsTheSchemesOfTheDevice() {
        assertEquals(DrmScheme.WIDEVINE, new MediaDrmEngine().getScheme());
        assertTrue(MediaDrmEngine.isSupported(DrmScheme.WIDEVINE));
        try {
            new MediaDrmEngine(DrmScheme.FAIR_PLAY);
        } catch (LarderException e) {
            assertEquals(LarderException.Code.DRM_UNSUPPORTED, e.getCode());
            return;
        }
        throw new AssertionError("no device has FairPlay");
    }

    private LarderSetup setup(MediaDrmEngine engine) {
        return new LarderSetup.Builder(new File(device.getFolder(), "larder").getPath())
                .storage(storage)
                .engine(engine)
                .build();
    }

    private interface Call<T> {
        Cancellable with(ResultListener<T> listener);
    }

    private static <T> T answer(Call<T> call) throws Exception {
        CompletableFuture<T> answer = new CompletableFuture<>();
        call.with(new ResultListener<T>() {
            @Override
            public void onSuccess(T value) {
                answer.complete(value);
            }

            @Override
            public void onFailed(LarderException error) {
                answer.completeExceptionally(error);
            }
        });
        return answer.get(30, TimeUnit.SECONDS);
    }
}
