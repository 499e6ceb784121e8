package dev.larder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.larder.drm.DrmEngine;
import dev.larder.drm.LicenseExchange;
import dev.larder.storage.MemoryDrmStorage;
import dev.larder.support.TestDevice;
import dev.larder.support.TestServersExtension;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tests the API from Java beyond the code of the guides. */
class JavaApiTest {
    @RegisterExtension
    final TestServersExtension servers = new TestServersExtension();
    private final TestDevice device = new TestDevice();
    private final String path = device.download("dash-cenc");

    @AfterEach
    void end() {
        device.close();
    }

    private LarderSetup.Builder setup() {
        return new LarderSetup.Builder(device.getFolder().getPath() + "/larder").storage(new MemoryDrmStorage());
    }

    private MediaSource source() {
        return Records.mediaSource(
                "dash",
                servers.url("/media/dash-cenc/manifest.mpd"),
                List.of(Records.drmParams(DrmScheme.CLEAR_KEY, servers.url("/clearkey/license"))));
    }

    /** A listener that completes a future and counts its calls. */
    private static final class Outcome<T> implements ResultListener<T> {
        final CompletableFuture<T> future = new CompletableFuture<>();
        final AtomicInteger calls = new AtomicInteger();
        volatile Thread thread;

        @Override
        public void onSuccess(T result) {
            calls.incrementAndGet();
            thread = Thread.currentThread();
            future.complete(result);
        }

        @Override
        public void onFailed(LarderException error) {
            calls.incrementAndGet();
            thread = Thread.currentThread();
            future.completeExceptionally(error);
        }

        T get() throws Exception {
            return future.get(30, TimeUnit.SECONDS);
        }

        LarderException error() {
            ExecutionException failed = assertThrows(ExecutionException.class, this::get);
            return (LarderException) failed.getCause();
        }
    }

    private interface Question {
        boolean isSo() throws Exception;
    }

    private static void until(String what, Question question) throws Exception {
        long end = System.nanoTime() + 30_000_000_000L;
        while (!question.isSo()) {
            assertTrue(System.nanoTime() < end, "never: " + what);
            Thread.sleep(10);
        }
    }

    @Test
    void everyOperationHasAJavaOverload() throws Exception {
        try (LocalAssetsManager manager = new LocalAssetsManager(setup().softwareClearKey().build())) {
            Outcome<OpenReport> opened = new Outcome<>();
            manager.open(opened);
            assertEquals(0, opened.get().getAssets());

            Outcome<AssetStatus> registered = new Outcome<>();
            manager.registerAsset(Records.registration("a", path, source()), registered);
            assertTrue(registered.get().isPlayable());
            Long remaining = registered.get().getRemainingSeconds();
            assertTrue(remaining != null && remaining > 0 && registered.get().getPendingReleases() == 0);

            Outcome<AssetStatus> refreshed = new Outcome<>();
            manager.refreshAsset("a", refreshed);
            assertTrue(refreshed.get().isPlayable());
            Outcome<AssetStatus> status = new Outcome<>();
            manager.status("a", status);
            assertEquals(PlayabilityReason.PLAYABLE, status.get().getWhy());
            PlayKitStatus triple = Larder.playKitStatus(status.get());
            assertTrue(triple.isRegistered() && triple.getAvailableTimeSeconds() == 172800);
            Outcome<List<AssetStatus>> all = new Outcome<>();
            manager.allStatuses(all);
            assertEquals(1, all.get().size());
            Outcome<AssetStatus> verified = new Outcome<>();
            manager.verifyAsset("a", true, true, verified);
            assertEquals(MediaPresence.PRESENT, verified.get().getMedia());
            Outcome<List<RenewalResult>> renewed = new Outcome<>();
            manager.renewAll(0, renewed);
            assertEquals(0, renewed.get().size());
            Outcome<List<RenewalResult>> negative = new Outcome<>();
            manager.renewAll(-1, negative);
            assertEquals(LarderException.Code.INVALID_ARGUMENT, negative.error().getCode());
            Outcome<ReconcileReport> reconciled = new Outcome<>();
            manager.reconcile(reconciled);
            assertEquals(0, reconciled.get().getForeign());

            assertEquals("a", manager.assets().get(0).getAssetId());
            assertEquals(path, manager.asset("a").getPath());
            assertEquals(1, manager.localMediaSource("a", path).getLicenses().size());
            manager.playbackStarted("a", System.currentTimeMillis());
            manager.setSourceUrlMode(SourceUrlMode.LOCAL_ALWAYS, SourceUrlOrder.APP_FIRST);
            assertTrue(manager.sourceUrl("a", null).startsWith("file:"));

            Outcome<Integer> removed = new Outcome<>();
            manager.removeAll(removed);
            assertEquals(1, removed.get());
        }
    }

    @Test
    void suspendingFunctionsAreHiddenFromJava() {
        List<String> visible = new ArrayList<>();
        for (Method method : LocalAssetsManager.class.getMethods()) {
            boolean suspends = Arrays.stream(method.getParameterTypes())
                    .anyMatch(type -> type.getName().equals("kotlin.coroutines.Continuation"));
            if (suspends && !method.isSynthetic() && Modifier.isPublic(method.getModifiers())) {
                visible.add(method.getName());
            }
        }
        assertEquals(List.of(), visible);
    }

    @Test
    void aListenerIsCalledOnTheExecutorOfTheSetupTheCallOrTheManager() throws Exception {
        ExecutorService main = Executors.newSingleThreadExecutor(work -> new Thread(work, "fake-main"));
        ExecutorService other = Executors.newSingleThreadExecutor(work -> new Thread(work, "other"));
        try (LocalAssetsManager manager = new LocalAssetsManager(setup().callbackExecutor(main).build())) {
            Outcome<OpenReport> bySetup = new Outcome<>();
            manager.open(bySetup);
            bySetup.get();
            assertEquals("fake-main", bySetup.thread.getName());
            Outcome<OpenReport> byCall = new Outcome<>();
            manager.open(byCall, other);
            byCall.get();
            assertEquals("other", byCall.thread.getName());
        } finally {
            main.shutdown();
            other.shutdown();
        }
        try (LocalAssetsManager manager = new LocalAssetsManager(setup().build())) {
            Outcome<OpenReport> own = new Outcome<>();
            manager.open(own);
            own.get();
            assertEquals("larder-callbacks", own.thread.getName());
            assertTrue(own.thread.isDaemon());
        }
    }

    @Test
    void aCallCompletesEvenIfTheAppsExecutorIsShutDown() throws Exception {
        ExecutorService gone = Executors.newSingleThreadExecutor();
        gone.shutdown();
        try (LocalAssetsManager manager = new LocalAssetsManager(setup().callbackExecutor(gone).build())) {
            Outcome<OpenReport> opened = new Outcome<>();
            manager.open(opened);
            assertEquals(0, opened.get().getAssets());
        }
    }

    @Test
    void aListenerThatThrowsDoesNotStopLaterListeners() throws Exception {
        CountDownLatch thrown = new CountDownLatch(1);
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((thread, error) -> thrown.countDown());
        try (LocalAssetsManager manager = new LocalAssetsManager(setup().build())) {
            manager.unregisterAsset(path, "a", assetPath -> {
                throw new IllegalStateException("the app's own");
            });
            assertTrue(thrown.await(30, TimeUnit.SECONDS), "the app's mistake is the app's to see");
            Outcome<OpenReport> later = new Outcome<>();
            manager.open(later);
            assertEquals(0, later.get().getAssets());
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
        }
    }

    @Test
    void aRemovedListenerIsNotCalledAndTheCallContinues() throws Exception {
        CountDownLatch arrived = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        DrmEngine engine = new JavaEngine(() -> {
            arrived.countDown();
            assertTrue(go.await(30, TimeUnit.SECONDS));
        });
        try (LocalAssetsManager manager = new LocalAssetsManager(setup().engine(engine).build())) {
            Outcome<AssetStatus> removed = new Outcome<>();
            manager.registerAsset(Records.registration("a", path, source()), removed);
            assertTrue(arrived.await(30, TimeUnit.SECONDS));
            manager.removeListener(removed);
            go.countDown();
            AssetStatus[] status = new AssetStatus[1];
            until("the registration goes on", () -> {
                Outcome<AssetStatus> asked = new Outcome<>();
                manager.status("a", asked);
                status[0] = asked.get();
                return status[0].isPlayable();
            });
            // Results arrive in order, so every earlier one has been delivered.
            Outcome<OpenReport> last = new Outcome<>();
            manager.open(last);
            last.get();
            assertEquals(0, removed.calls.get());
        }
    }

    @Test
    void theLibraryIsLoadedInTheBackground() throws Exception {
        Outcome<String> opened = new Outcome<>();
        Larder.open(opened, Runnable::run);
        assertEquals(Larder.version(), opened.get());
    }

    @Test
    void badArgumentsReachTheListenerAndThrowNothing() throws Exception {
        try (LocalAssetsManager manager = new LocalAssetsManager(setup().build())) {
            Outcome<AssetStatus> noId = new Outcome<>();
            manager.registerAsset(Records.registration("", path, source()), noId);
            assertEquals(LarderException.Code.INVALID_ARGUMENT, noId.error().getCode());
            Outcome<AssetStatus> relative = new Outcome<>();
            manager.registerAsset(Records.registration("a", "films/a", source()), relative);
            assertEquals(LarderException.Code.RELATIVE_PATH, relative.error().getCode());
            assertEquals(Remedy.FIX_INPUT, relative.error().getRemedy());
        }
    }

    @Test
    void aCancelledCallCompletesOnceAndLeavesNoState() throws Exception {
        CountDownLatch arrived = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        DrmEngine engine = new JavaEngine(() -> {
            arrived.countDown();
            assertTrue(go.await(30, TimeUnit.SECONDS));
        });
        try (LocalAssetsManager manager = new LocalAssetsManager(setup().engine(engine).build())) {
            Outcome<AssetStatus> outcome = new Outcome<>();
            Cancellable call = manager.registerAsset(Records.registration("a", path, source()), outcome);
            assertTrue(arrived.await(30, TimeUnit.SECONDS));
            call.cancel();
            call.cancel();
            assertEquals(LarderException.Code.CANCELLED, outcome.error().getCode());
            go.countDown();
            Outcome<AssetStatus> status = new Outcome<>();
            manager.status("a", status);
            assertFalse(status.get().isRegistered());
            assertEquals(1, outcome.calls.get());
        }
    }

    /** An engine in Java, which makes and reads every value of the contract. */
    private static final class JavaEngine implements DrmEngine {
        interface Step {
            void take() throws Exception;
        }

        private final Step step;

        JavaEngine(Step step) {
            this.step = step;
        }

        @Override
        public DrmScheme getScheme() {
            return DrmScheme.CLEAR_KEY;
        }

        @Override
        public LicenseGrant acquire(KeyRequest request, LicenseExchange exchange) {
            try {
                step.take();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
            String kids = new String(request.getInitData()).trim();
            String asked = kids.substring(0, kids.length() - 1) + ",\"type\":\"persistent-license\"}";
            ExchangeAnswer answer = exchange.send(new ExchangeMessage(ExchangeKind.LICENSE, asked.getBytes(), null));
            Long duration = answer.getPersistenceDurationSeconds();
            LicenseDuration left = duration == null ? LicenseDuration.Unlimited.INSTANCE : new LicenseDuration.Seconds(duration);
            return new LicenseGrant(
                    new GrantedHandle.New(answer.getBody()), new LicenseTimes(left, new LicenseDuration.Seconds(60)), null, null);
        }

        @Override
        public LicenseTimes inspect(StoredLicense held) {
            return new LicenseTimes(LicenseDuration.Unknown.INSTANCE, LicenseDuration.Unknown.INSTANCE);
        }

        @Override
        public ReleaseOutcome release(StoredLicense held, LicenseExchange exchange) {
            return ReleaseOutcome.NOT_SUPPORTED;
        }
    }

    @Test
    void anEngineWrittenInJavaWorks() throws Exception {
        try (LocalAssetsManager manager = new LocalAssetsManager(setup().engine(new JavaEngine(() -> {})).build())) {
            Outcome<AssetStatus> registered = new Outcome<>();
            manager.registerAsset(Records.registration("a", path, source()), registered);
            assertTrue(registered.get().isPlayable());
            assertEquals(60L, registered.get().getPlaybackWindowSeconds());
        }
    }

    @Test
    void theLibraryReturnsItsVersionAndReadsInitData() {
        assertTrue(Larder.version().matches("\\d+\\.\\d+\\.\\d+"));
        assertFalse(Larder.findInitData(path).isEmpty());
        assertThrows(LarderException.class, () -> Larder.findInitData("relative"));
    }
}
