//! The thread that delivers a manager's events.
//!
//! Flows add events and go on; one thread gives them to the app's sink. The queue is bounded: progress is kept once per
//! asset, and a change of an asset that is already waiting is not added again.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{AssetEvent, EventSink, Progress};
use crate::error::{Code, Error, Result};
use crate::model::AssetId;

/// The shortest time between two deliveries of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Delivers events to a sink, from one thread. Dropping it delivers what is waiting, then ends the thread.
#[derive(Debug)]
pub struct EventDispatcher {
    queue: Arc<Queue>,
}

impl EventDispatcher {
    /// Starts the thread. Fails with `Internal` if the system gives none.
    pub fn start(sink: Arc<dyn EventSink>) -> Result<Self> {
        let queue = Arc::new(Queue::default());
        let theirs = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("larder-events".to_owned());
        thread
            .spawn(move || theirs.deliver_all(&*sink))
            .map_err(|cause| Error::new(Code::Internal, "the system refused a thread for events").caused_by(cause))?;
        Ok(Self { queue })
    }

    /// Adds a change of an asset. Never blocks and is never lost.
    pub fn changed(&self, asset_id: &AssetId) {
        let mut waiting = self.queue.lock();
        let is_waiting = |event: &AssetEvent| matches!(event, AssetEvent::Changed(id) if id == asset_id);
        if !waiting.events.iter().any(is_waiting) {
            waiting.events.push_back(AssetEvent::Changed(asset_id.clone()));
        }
        drop(waiting);
        self.queue.added.notify_one();
    }

    /// Adds the progress of an asset in place of its earlier one. Never blocks.
    pub fn progress(&self, progress: Progress) {
        let mut waiting = self.queue.lock();
        let place = waiting.events.iter_mut().find_map(|event| match event {
            AssetEvent::Progress(earlier) if earlier.asset_id == progress.asset_id => Some(earlier),
            _ => None,
        });
        match place {
            Some(earlier) => *earlier = progress,
            None => waiting.events.push_back(AssetEvent::Progress(progress)),
        }
        drop(waiting);
        self.queue.added.notify_one();
    }
}

impl Drop for EventDispatcher {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.added.notify_one();
    }
}

#[derive(Debug, Default)]
struct Queue {
    // Protects the events that wait; held to add one or to take them all, never while the sink runs.
    waiting: Mutex<Waiting>,
    added: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// At most two per asset: a change and a progress.
    events: VecDeque<AssetEvent>,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver_all(&self, sink: &dyn EventSink) {
        let mut next_progress = Instant::now();
        while let Some(batch) = self.next_batch(next_progress) {
            if batch.iter().any(|event| matches!(event, AssetEvent::Progress(_))) {
                next_progress = Instant::now() + PROGRESS_INTERVAL;
            }
            if catch_unwind(AssertUnwindSafe(|| sink.deliver(batch))).is_err() {
                tracing::error!("event delivery failed: the sink panicked");
            }
        }
    }

    /// Waits for events and takes them. A change is delivered at once, and takes the progress before it along; progress
    /// alone waits for its time. `None` after the dispatcher was dropped and everything was delivered.
    fn next_batch(&self, next_progress: Instant) -> Option<Vec<AssetEvent>> {
        let mut waiting = self.lock();
        loop {
            let now = Instant::now();
            let has_change = waiting.events.iter().any(|event| matches!(event, AssetEvent::Changed(_)));
            if has_change || waiting.is_closed || (!waiting.events.is_empty() && now >= next_progress) {
                let batch: Vec<AssetEvent> = waiting.events.drain(..).collect();
                return (!batch.is_empty()).then_some(batch);
            }
            waiting = if waiting.events.is_empty() {
                self.added.wait(waiting).unwrap_or_else(PoisonError::into_inner)
            } else {
                let pause = next_progress.saturating_duration_since(now);
                self.added.wait_timeout(waiting, pause).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    struct Recorder(Mutex<mpsc::Sender<(Instant, Vec<AssetEvent>)>>);

    impl EventSink for Recorder {
        fn deliver(&self, events: Vec<AssetEvent>) {
            let _ = self.0.lock().unwrap().send((Instant::now(), events));
        }
    }

    fn id(text: &str) -> AssetId {
        AssetId::new(text).unwrap()
    }

    fn progress(asset: &str, received_bytes: u64) -> Progress {
        Progress { asset_id: id(asset), received_bytes, total_bytes: None, is_exact: false }
    }

    fn dispatcher() -> (EventDispatcher, mpsc::Receiver<(Instant, Vec<AssetEvent>)>) {
        let (sender, received) = mpsc::channel();
        (EventDispatcher::start(Arc::new(Recorder(Mutex::new(sender)))).unwrap(), received)
    }

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn progress_is_merged_per_asset_and_delivered_at_most_every_200_ms() {
        let (events, received) = dispatcher();
        events.progress(progress("a", 0));
        let (mut last_at, first) = received.recv_timeout(SOON).unwrap();
        assert_eq!(first, [AssetEvent::Progress(progress("a", 0))]);
        for round in 1..=3_u64 {
            for step in 0..100 {
                events.progress(progress("a", round * 1000 + step));
                events.progress(progress("b", round * 1000 + step));
            }
            let (mut seen_a, mut seen_b) = (0, 0);
            while (seen_a, seen_b) != (round * 1000 + 99, round * 1000 + 99) {
                let (at, batch) = received.recv_timeout(SOON).unwrap();
                assert!(at - last_at >= PROGRESS_INTERVAL - Duration::from_millis(5), "{:?}", at - last_at);
                last_at = at;
                assert!(batch.len() <= 2, "{batch:?}");
                for event in batch {
                    let AssetEvent::Progress(progress) = event else { panic!("{event:?}") };
                    let seen = if progress.asset_id == id("a") { &mut seen_a } else { &mut seen_b };
                    assert!(progress.received_bytes > *seen, "progress never goes back");
                    *seen = progress.received_bytes;
                }
            }
        }
    }

    #[test]
    fn a_change_arrives_at_once_after_the_progress_before_it() {
        let (events, received) = dispatcher();
        events.progress(progress("a", 1));
        received.recv_timeout(SOON).unwrap();
        let begun = Instant::now();
        events.progress(progress("a", 2));
        events.changed(&id("a"));
        let mut all = Vec::new();
        while all.last() != Some(&AssetEvent::Changed(id("a"))) {
            all.extend(received.recv_timeout(SOON).unwrap().1);
        }
        assert_eq!(all, [AssetEvent::Progress(progress("a", 2)), AssetEvent::Changed(id("a"))]);
        assert!(begun.elapsed() < SOON);
    }

    #[test]
    fn no_change_is_lost_while_the_sink_blocks_and_the_queue_stays_small() {
        let (entered, has_entered) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        struct Blocking(Mutex<mpsc::Receiver<()>>, Mutex<mpsc::Sender<Vec<AssetEvent>>>);
        impl EventSink for Blocking {
            fn deliver(&self, events: Vec<AssetEvent>) {
                self.1.lock().unwrap().send(events).unwrap();
                let _ = self.0.lock().unwrap().recv();
            }
        }
        let events = EventDispatcher::start(Arc::new(Blocking(Mutex::new(may_go), Mutex::new(entered)))).unwrap();
        events.changed(&id("first"));
        has_entered.recv_timeout(SOON).unwrap();
        for _ in 0..10_000 {
            events.changed(&id("a"));
            events.changed(&id("b"));
        }
        assert_eq!(events.queue.lock().events.len(), 2, "one change per asset waits");
        drop(go);
        let rest = has_entered.recv_timeout(SOON).unwrap();
        assert_eq!(rest, [AssetEvent::Changed(id("a")), AssetEvent::Changed(id("b"))]);
    }

    #[test]
    fn a_sink_may_add_events_and_may_panic() {
        struct Again(Mutex<Option<Arc<EventDispatcher>>>, Mutex<mpsc::Sender<AssetEvent>>);
        impl EventSink for Again {
            fn deliver(&self, events: Vec<AssetEvent>) {
                for event in events {
                    let is_first = *event.asset_id() == id("first");
                    self.1.lock().unwrap().send(event).unwrap();
                    if is_first {
                        self.0.lock().unwrap().as_ref().unwrap().changed(&id("second"));
                        panic!("a defect of the app");
                    }
                }
            }
        }
        let (sender, received) = mpsc::channel();
        let sink = Arc::new(Again(Mutex::default(), Mutex::new(sender)));
        let events = Arc::new(EventDispatcher::start(Arc::clone(&sink) as Arc<dyn EventSink>).unwrap());
        *sink.0.lock().unwrap() = Some(Arc::clone(&events));
        events.changed(&id("first"));
        assert_eq!(received.recv_timeout(SOON).unwrap(), AssetEvent::Changed(id("first")));
        assert_eq!(received.recv_timeout(SOON).unwrap(), AssetEvent::Changed(id("second")));
    }

    #[test]
    fn dropping_the_dispatcher_delivers_the_rest_and_ends_the_thread() {
        let (events, received) = dispatcher();
        events.progress(progress("a", 1));
        received.recv_timeout(SOON).unwrap();
        events.progress(progress("a", 2));
        drop(events);
        assert_eq!(received.recv_timeout(SOON).unwrap().1, [AssetEvent::Progress(progress("a", 2))]);
        assert!(received.recv_timeout(SOON).is_err(), "the sink was dropped with its thread");
    }
}
