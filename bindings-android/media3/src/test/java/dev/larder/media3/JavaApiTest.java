package dev.larder.media3;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;

import android.net.Uri;
import androidx.media3.common.MediaItem;
import androidx.media3.common.PlaybackException;
import androidx.media3.datasource.FileDataSource;
import androidx.media3.exoplayer.ExoPlayer;
import androidx.media3.exoplayer.source.ProgressiveMediaSource;
import dev.larder.LarderConfig;
import dev.larder.LarderException;
import dev.larder.LarderSetup;
import dev.larder.LocalAssetsManager;
import dev.larder.LocalMediaSource;
import dev.larder.media3.support.FilmsKt;
import dev.larder.media3.support.FakeRegistry;
import dev.larder.media3.support.TestPlayer;
import dev.larder.storage.MemoryDrmStorage;
import java.io.File;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;

/** Tests the API from Java. */
@RunWith(RobolectricTestRunner.class)
public class JavaApiTest {
    @Rule public final TemporaryFolder folder = new TemporaryFolder();

    @Test
    public void aPlayerIsMadeWithOneFactoryAndReportsItsPlaybacks() throws Exception {
        LarderSetup setup = new LarderSetup.Builder(new File(folder.getRoot(), "larder").getPath())
            .storage(new MemoryDrmStorage())
            .build();
        try (LocalAssetsManager manager = new LocalAssetsManager(setup)) {
            TestPlayer testPlayer = new TestPlayer(new LarderMediaSourceFactory(RuntimeEnvironment.getApplication(), manager));
            ExoPlayer player = testPlayer.getExo();
            AutoCloseable reports = PlaybackReports.reportPlaybackTo(player, manager);
            player.setMediaItem(new MediaItem.Builder().setMediaId("entry-1").setUri("https://origin.example/a.mp4").build());
            assertNotNull(player.getCurrentMediaItem());
            reports.close();
            testPlayer.close();
        }
    }

    @Test
    public void theAppsOwnFactoryAcceptsLardersProvider() {
        ProgressiveMediaSource.Factory own = new ProgressiveMediaSource.Factory(new FileDataSource.Factory())
            .setDrmSessionManagerProvider(new LarderDrmSessionManagerProvider(new FakeRegistry()));
        assertNotNull(own.createMediaSource(MediaItem.fromUri(Uri.EMPTY)));
    }

    @Test
    @SuppressWarnings("unchecked") // an empty vararg of Kotlin's pairs
    public void aSourceBecomesAnItem() {
        LocalMediaSource source = new FakeRegistry().put("film", FilmsKt.film(folder.getRoot(), "cmaf-clear/video-108"));
        MediaItem item = LocalMediaItems.toMediaItem(source);
        assertEquals("film", LocalMediaItems.getLarderAssetId(item));
        assertEquals("entry-of-film", item.mediaId);
        assertNull(LocalMediaItems.getLarderAssetId(MediaItem.fromUri(Uri.EMPTY)));
    }

    @Test
    public void anErrorBecomesAReason() {
        PlaybackException error =
            new PlaybackException("failed", null, PlaybackException.ERROR_CODE_DRM_LICENSE_EXPIRED);
        assertEquals(LarderException.Code.LICENSE_EXPIRED, PlaybackErrors.toLarderException(error).getCode());
    }
}
