package dev.larder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.larder.support.Device;
import dev.larder.support.TestServers;
import java.io.FileNotFoundException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * The code of PlayKit's offline guide for Android, as its users have it: only the imports, the `PK` prefix and the guide's
 * misprints are changed, and `context` is a LarderSetup while there is no Android.
 */
class GuideSnippetsTest {
    private final TestServers servers = TestServers.start();
    private final Device device = new Device();
    private final LarderSetup context =
            new LarderSetup.Builder(device.getFolder().getPath() + "/larder").softwareClearKey().build();
    private final BlockingQueue<String> told = new ArrayBlockingQueue<>(10);

    private final MediaSource mediaSource = new MediaSource(
            "dash",
            servers.url("/media/dash-cenc/manifest.mpd"),
            MediaFormat.DASH,
            List.of(Records.drmParams(DrmScheme.CLEAR_KEY, servers.url("/clearkey/license"))),
            false);
    private final String yourAssetAbsolutePath = device.download("dash-cenc");
    private final String yourAssetLocalPath = yourAssetAbsolutePath;
    private final String yourAssetID = "asset";

    @AfterEach
    void end() {
        device.close();
        servers.close();
    }

    private String heard() throws InterruptedException {
        String line = told.poll(30, TimeUnit.SECONDS);
        assertNotNull(line, "no listener was called");
        return line;
    }

    @Test
    void theGuideFromRegistrationToRemoval() throws Exception {
        LocalAssetsManager localAssetsManager = new LocalAssetsManager(context);

        LocalAssetsManager.AssetRegistrationListener registrationListener = new LocalAssetsManager.AssetRegistrationListener() {
            @Override
            public void onRegistered(String assetPath) {
                told.add("registered " + assetPath);
            }

            @Override
            public void onFailed(String assetPath, Exception error) {
                told.add("failed " + assetPath + " " + error.getMessage());
            }
        };
        localAssetsManager.registerAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, registrationListener);
        assertEquals("registered " + yourAssetAbsolutePath, heard());

        LocalAssetsManager.AssetStatusListener assetStatusListener = new LocalAssetsManager.AssetStatusListener() {
            @Override
            public void onStatus(String localAssetPath, long expiryTimeSeconds, long availableTimeSeconds) {
                boolean isAMonth = expiryTimeSeconds > 29 * 86400 && expiryTimeSeconds <= 30 * 86400;
                told.add("status " + localAssetPath + " " + isAMonth + " " + availableTimeSeconds);
            }
        };
        localAssetsManager.checkAssetStatus(yourAssetLocalPath, yourAssetID, assetStatusListener);
        assertEquals("status " + yourAssetLocalPath + " true 172800", heard());

        String assetId = yourAssetID;
        String localAssetPath = yourAssetLocalPath;
        MediaSource mediaSource = localAssetsManager.getLocalMediaSource(assetId, localAssetPath);
        assertTrue(mediaSource.isLocal() && mediaSource.getUrl().startsWith("file:"), mediaSource.getUrl());
        MediaEntry mediaEntry = new MediaEntry(assetId, "", List.of(mediaSource));
        assertEquals(1, mediaEntry.getSources().size());

        LocalAssetsManager.AssetRemovalListener removalListener = new LocalAssetsManager.AssetRemovalListener() {
            @Override
            public void onRemoved(String assetPath) {
                told.add("removed " + assetPath);
            }
        };
        localAssetsManager.unregisterAsset(yourAssetLocalPath, yourAssetID, removalListener);
        assertEquals("removed " + yourAssetLocalPath, heard());

        localAssetsManager.checkAssetStatus(yourAssetLocalPath, yourAssetID, assetStatusListener);
        assertEquals("status " + yourAssetLocalPath + " false 0", heard());
        localAssetsManager.close();
    }

    /** The guide's storage of the app's own. */
    private static final class YourLocalDrmStorage implements LocalDrmStorage {
        private final Map<String, byte[]> map = new HashMap<>();

        @Override
        public synchronized void save(String key, byte[] value) {
            map.put(key, value);
        }

        @Override
        public synchronized byte[] load(String key) throws FileNotFoundException {
            byte[] value = map.get(key);
            if (value == null) {
                throw new FileNotFoundException(key);
            }
            return value;
        }

        @Override
        public synchronized void remove(String key) {
            map.remove(key);
        }
    }

    @Test
    void aStorageOfTheAppsOwn() throws Exception {
        YourLocalDrmStorage YourLocalDrmStorage = new YourLocalDrmStorage();
        LocalAssetsManager localAssetsManager = new LocalAssetsManager(
                new LarderSetup.Builder(device.getFolder().getPath() + "/larder").softwareClearKey().storage(YourLocalDrmStorage).build());
        localAssetsManager.registerAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, new LocalAssetsManager.AssetRegistrationListener() {
            @Override
            public void onRegistered(String assetPath) {
                told.add("registered");
            }

            @Override
            public void onFailed(String assetPath, Exception error) {
                told.add(String.valueOf(error));
            }
        });
        assertEquals("registered", heard());
        assertEquals(1, YourLocalDrmStorage.map.size());
        localAssetsManager.close();
    }

    @Test
    void aRegistrationThatFailsSaysWhy() throws Exception {
        servers.stop();
        LocalAssetsManager localAssetsManager = new LocalAssetsManager(context);
        localAssetsManager.registerAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, new LocalAssetsManager.AssetRegistrationListener() {
            @Override
            public void onRegistered(String assetPath) {
                told.add("registered");
            }

            @Override
            public void onFailed(String assetPath, Exception error) {
                told.add(assetPath + " " + error.getMessage() + " " + ((LarderException) error).getCode());
            }
        });
        String line = heard();
        assertTrue(line.startsWith(yourAssetAbsolutePath) && line.endsWith("OFFLINE"), line);
        localAssetsManager.close();
    }

    @Test
    void theLongerFormOfOnStatusIsCalledToo() throws Exception {
        LocalAssetsManager localAssetsManager = new LocalAssetsManager(context);
        localAssetsManager.checkAssetStatus(yourAssetLocalPath, yourAssetID, new LocalAssetsManager.AssetStatusListener() {
            @Override
            public void onStatus(String localAssetPath, long expiryTimeSeconds, long availableTimeSeconds, boolean isRegistered) {
                told.add(expiryTimeSeconds + " " + availableTimeSeconds + " " + isRegistered);
            }
        });
        assertEquals("0 0 false", heard());
        localAssetsManager.close();
    }

    /** The older SDK's provider: the local URL, or null for the default one. */
    @Test
    void aCustomSourceUrlProvider() {
        Map<String, String> downloads = Map.of("film", "file:///films/film/manifest.mpd");
        SourceURLProvider provider = new SourceURLProvider() {
            @Override
            public String getURL(String entryId) {
                return downloads.get(entryId);
            }
        };
        LarderSetup withProvider = new LarderSetup.Builder(device.getFolder().getPath() + "/other")
                .sourceURLProvider(provider)
                .build();
        try (LocalAssetsManager manager = new LocalAssetsManager(withProvider)) {
            assertEquals("file:///films/film/manifest.mpd", manager.getSourceURLProvider().getURL("film"));
            assertNull(manager.getSourceURLProvider().getURL("another", "https://cdn.example/another"));
        }
        assertFalse(downloads.isEmpty());
    }
}
