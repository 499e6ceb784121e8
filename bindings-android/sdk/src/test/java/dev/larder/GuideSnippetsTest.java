package dev.larder;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import android.content.Context;
import android.os.Looper;
import dev.larder.Records;
import dev.larder.storage.LocalDrmStorage;
import dev.larder.support.FrameworkPlayer;
import dev.larder.support.AndroidTestDevice;
import dev.larder.support.TestServersRule;
import dev.larder.support.VirtualCdm;
import java.io.FileNotFoundException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.After;
import org.junit.Rule;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;

/**
 * Runs the code of PlayKit's offline guide for Android. Only the imports, the `PK` prefix and the guide's misprints differ. It
 * runs on the main thread, which also calls its listeners.
 */
@RunWith(RobolectricTestRunner.class)
public class GuideSnippetsTest {
    @Rule
    public final TestServersRule servers = new TestServersRule();
    private final Context context = AndroidTestDevice.getApp();
    private final List<String> told = new ArrayList<>();

    private final MediaSource mediaSource = new MediaSource(
            "clear", servers.url("/media/cmaf-clear/manifest.mpd"), MediaFormat.DASH, List.of(), false);
    private final String yourAssetAbsolutePath = AndroidTestDevice.download("cmaf-clear");
    private final String yourAssetLocalPath = yourAssetAbsolutePath;
    private final String yourAssetID = "asset";

    @After
    public void end() {
    }

    /** Records the call of a listener, which must be on the main looper. */
    private void tell(String line) {
        assertSame(Looper.getMainLooper(), Looper.myLooper());
        told.add(line);
    }

    private String heard() {
        AndroidTestDevice.eventually("a listener is called", () -> !told.isEmpty());
        assertEquals(1, told.size());
        return told.remove(0);
    }

    private LocalAssetsManager.AssetRegistrationListener registrationListener() {
        return new LocalAssetsManager.AssetRegistrationListener() {
            @Override
            public void onRegistered(String assetPath) {
                tell("registered " + assetPath);
            }

            @Override
            public void onFailed(String assetPath, Exception error) {
                tell("failed " + assetPath + " " + error.getMessage());
            }
        };
    }

    private LocalAssetsManager.AssetStatusListener assetStatusListener() {
        return new LocalAssetsManager.AssetStatusListener() {
            @Override
            public void onStatus(String localAssetPath, long expiryTimeSeconds, long availableTimeSeconds) {
                tell("status " + localAssetPath + " " + expiryTimeSeconds + " " + availableTimeSeconds);
            }
        };
    }

    @Test
    public void theGuidesCodeWorksFromRegistrationToRemoval() {
        LocalAssetsManager localAssetsManager = new LocalAssetsManager(context);

        LocalAssetsManager.AssetRegistrationListener registrationListener = registrationListener();
        localAssetsManager.registerAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, registrationListener);
        assertEquals("registered " + yourAssetAbsolutePath, heard());

        LocalAssetsManager.AssetStatusListener assetStatusListener = assetStatusListener();
        localAssetsManager.checkAssetStatus(yourAssetLocalPath, yourAssetID, assetStatusListener);
        assertEquals("status " + yourAssetLocalPath + " " + Long.MAX_VALUE + " " + Long.MAX_VALUE, heard());

        localAssetsManager.refreshAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, registrationListener);
        assertEquals("registered " + yourAssetAbsolutePath, heard());

        String assetId = yourAssetID;
        String localAssetPath = yourAssetLocalPath;
        MediaSource mediaSource = localAssetsManager.getLocalMediaSource(assetId, localAssetPath);
        MediaEntry mediaEntry = new MediaEntry(assetId, "", List.of(mediaSource));
        FrameworkPlayer player = new FrameworkPlayer();
        player.prepare(mediaEntry);
        assertTrue(player.getPrepared().startsWith("file:") && mediaSource.isLocal());

        LocalAssetsManager.AssetRemovalListener removalListener = new LocalAssetsManager.AssetRemovalListener() {
            @Override
            public void onRemoved(String assetPath) {
                tell("removed " + assetPath);
            }
        };
        localAssetsManager.unregisterAsset(yourAssetLocalPath, yourAssetID, removalListener);
        assertEquals("removed " + yourAssetLocalPath, heard());

        localAssetsManager.checkAssetStatus(yourAssetLocalPath, yourAssetID, assetStatusListener);
        assertEquals("status " + yourAssetLocalPath + " 0 0", heard());
        localAssetsManager.close();
    }

    /** Runs the guide's code with Widevine licenses from our model of the device's CDM. */
    @Test
    public void theGuidesCodeWorksWithAProtectedTitle() {
        VirtualCdm.INSTANCE.reset();
        VirtualCdm.INSTANCE.setProvisioningUrl(servers.url("/widevine/provision"));
        String protectedPath = AndroidTestDevice.download("dash-cenc");
        LocalAssetsManager localAssetsManager = new LocalAssetsManager(context);
        MediaSource mediaSource = new MediaSource(
                "dash",
                servers.url("/media/dash-cenc/manifest.mpd"),
                MediaFormat.DASH,
                List.of(Records.drmParams(DrmScheme.WIDEVINE, servers.url("/widevine/license?duration_seconds=864000"))),
                false);
        localAssetsManager.registerAsset(mediaSource, protectedPath, yourAssetID, registrationListener());
        assertEquals("registered " + protectedPath, heard());
        assertEquals(1, servers.getLive());
        localAssetsManager.checkAssetStatus(protectedPath, yourAssetID, assetStatusListener());
        String[] status = heard().split(" ");
        long expiryTimeSeconds = Long.parseLong(status[2]);
        assertTrue(status[2], expiryTimeSeconds > 9 * 86400 && expiryTimeSeconds <= 10 * 86400);

        servers.stop();
        FrameworkPlayer player = new FrameworkPlayer();
        player.prepare(new MediaEntry(
                yourAssetID, "", List.of(localAssetsManager.getLocalMediaSource(yourAssetID, protectedPath))));
        assertTrue(player.getPrepared().endsWith("/dash-cenc/manifest.mpd"));
        servers.resume();

        localAssetsManager.refreshAsset(mediaSource, protectedPath, yourAssetID, registrationListener());
        assertEquals("registered " + protectedPath, heard());
        localAssetsManager.unregisterAsset(protectedPath, yourAssetID, assetPath -> tell("removed"));
        assertEquals("removed", heard());
        AndroidTestDevice.eventually("every license is released", () -> servers.getLive() == 0);
        AndroidTestDevice.eventually("no handle is left", () -> AndroidTestDevice.INSTANCE.licenses().isEmpty());
        localAssetsManager.close();
    }

    /** The guide's own storage. */
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
    public void theGuidesOwnStorageWorks() {
        YourLocalDrmStorage YourLocalDrmStorage = new YourLocalDrmStorage();
        LocalAssetsManager localAssetsManager = new LocalAssetsManager(context, YourLocalDrmStorage);
        localAssetsManager.registerAsset(mediaSource, yourAssetAbsolutePath, yourAssetID, registrationListener());
        assertEquals("registered " + yourAssetAbsolutePath, heard());
        assertTrue(YourLocalDrmStorage.map.isEmpty());
        localAssetsManager.unregisterAsset(yourAssetLocalPath, yourAssetID, assetPath -> tell("removed"));
        assertEquals("removed", heard());
        localAssetsManager.close();

        String protectedPath = AndroidTestDevice.download("dash-cenc");
        LarderSetup setup = AndroidTestDevice.withClearKey().storage(YourLocalDrmStorage).build();
        localAssetsManager = new LocalAssetsManager(setup);
        localAssetsManager.registerAsset(
                AndroidTestDevice.clearKeySource(servers), protectedPath, yourAssetID, registrationListener());
        assertEquals("registered " + protectedPath, heard());
        assertEquals(1, YourLocalDrmStorage.map.size());
        localAssetsManager.unregisterAsset(protectedPath, yourAssetID, assetPath -> tell("removed"));
        assertEquals("removed", heard());
        AndroidTestDevice.eventually("the handle is removed", YourLocalDrmStorage.map::isEmpty);
        localAssetsManager.close();
    }

    @Test
    public void aFailedRegistrationReportsItsCode() {
        servers.stop();
        String protectedPath = AndroidTestDevice.download("dash-cenc");
        LocalAssetsManager localAssetsManager = new LocalAssetsManager(AndroidTestDevice.withClearKey().build());
        localAssetsManager.registerAsset(
                AndroidTestDevice.clearKeySource(servers), protectedPath, yourAssetID,
                new LocalAssetsManager.AssetRegistrationListener() {
                    @Override
                    public void onRegistered(String assetPath) {
                        tell("registered");
                    }

                    @Override
                    public void onFailed(String assetPath, Exception error) {
                        tell(assetPath + " " + error.getMessage() + " " + ((LarderException) error).getCode());
                    }
                });
        String line = heard();
        assertTrue(line, line.startsWith(protectedPath) && line.endsWith("OFFLINE"));
        localAssetsManager.close();
    }

    /** PlayKit threw IllegalArgumentException for some of these arguments. Larder calls the listener. */
    @Test
    public void badArgumentsReachTheListener() {
        LocalAssetsManager localAssetsManager = new LocalAssetsManager(context);
        Map<String[], String> cases = new HashMap<>();
        cases.put(new String[] {"", yourAssetID}, "INVALID_ARGUMENT");
        cases.put(new String[] {yourAssetAbsolutePath, ""}, "INVALID_ARGUMENT");
        cases.put(new String[] {"films/a.mpd", yourAssetID}, "RELATIVE_PATH");
        cases.put(new String[] {"/no/such/film.mpd", yourAssetID}, "MEDIA_NOT_FOUND");
        for (Map.Entry<String[], String> wrong : cases.entrySet()) {
            String path = wrong.getKey()[0];
            localAssetsManager.registerAsset(mediaSource, path, wrong.getKey()[1],
                    new LocalAssetsManager.AssetRegistrationListener() {
                        @Override
                        public void onRegistered(String assetPath) {
                            tell("registered");
                        }

                        @Override
                        public void onFailed(String assetPath, Exception error) {
                            tell(assetPath + " " + ((LarderException) error).getCode());
                        }
                    });
            assertEquals(path + " " + wrong.getValue(), heard());
        }
        assertThrows(
                NullPointerException.class,
                () -> localAssetsManager.registerAsset(null, yourAssetAbsolutePath, yourAssetID, registrationListener()));
        localAssetsManager.close();
    }

    @Test
    public void theLongerFormOfOnStatusIsCalled() {
        LocalAssetsManager localAssetsManager = new LocalAssetsManager(context);
        localAssetsManager.checkAssetStatus(yourAssetLocalPath, "nobody", new LocalAssetsManager.AssetStatusListener() {
            @Override
            public void onStatus(String localAssetPath, long expiryTimeSeconds, long availableTimeSeconds, boolean isRegistered) {
                tell(expiryTimeSeconds + " " + availableTimeSeconds + " " + isRegistered);
            }
        });
        assertEquals("0 0 false", heard());
        localAssetsManager.close();
    }

    /** The older SDK's provider returns the local URL, or null for the default URL. */
    @Test
    public void aCustomSourceUrlProviderWorks() {
        Map<String, String> downloads = Map.of("film", "file:///films/film/manifest.mpd");
        SourceURLProvider provider = new SourceURLProvider() {
            @Override
            public String getURL(String entryId) {
                return downloads.get(entryId);
            }
        };
        LarderSetup setup = new LarderSetup.Builder(context).sourceURLProvider(provider).build();
        try (LocalAssetsManager manager = new LocalAssetsManager(setup)) {
            assertEquals("file:///films/film/manifest.mpd", manager.getSourceURLProvider().getURL("film"));
            assertNull(manager.getSourceURLProvider().getURL("another", "https://cdn.example/another"));
        }
        assertFalse(downloads.isEmpty());
    }
}
