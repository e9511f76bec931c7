//! How a table gets from control to the workers, and how control learns that all have it.
//!
//! One publisher, one reader per worker. The publisher stores the table and then its generation;
//! a reader looks at the generation once per turn (one load of a line that only changes when a
//! table does) and takes the table when it is new. The slot's lock is held for the copy of one
//! pointer, and a reader only ever tries it: a worker never waits.
//!
//! A reader acknowledges by storing the generation after it has let its old table go. The
//! publisher keeps every table until all readers have acknowledged a newer one, so that no worker
//! ever frees one. `loom` checks this (`RUSTFLAGS="--cfg loom" cargo test -p dataplane --lib
//! publication`).

use super::Generation;
use sync::{Arc, AtomicU64, Mutex, Ordering};

#[cfg(loom)]
mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
    pub(super) use loom::sync::{Arc, Mutex};
}
#[cfg(not(loom))]
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
    pub(super) use std::sync::{Arc, Mutex};
}

/// A reader's word, alone on its cache line.
type Acknowledgement = Arc<crossbeam::utils::CachePadded<AtomicU64>>;

/// What publisher and readers share.
#[derive(Debug)]
struct Slot<T> {
    generation: crossbeam::utils::CachePadded<AtomicU64>,
    value: Mutex<Arc<T>>,
}

/// The control thread's end.
#[derive(Debug)]
pub struct Publisher<T> {
    slot: Arc<Slot<T>>,
    acknowledgements: Vec<Acknowledgement>,
    /// Published values that a reader may still hold, oldest first.
    kept: Vec<(Generation, Arc<T>)>,
    newest: Generation,
}

/// A worker's end.
#[derive(Debug)]
pub struct Reader<T> {
    slot: Arc<Slot<T>>,
    acknowledgement: Acknowledgement,
    current: Arc<T>,
    generation: Generation,
}

/// A publisher of `first` as generation 0, and `readers` readers that have it.
#[must_use]
pub fn channel<T>(first: T, readers: usize) -> (Publisher<T>, Vec<Reader<T>>) {
    let first = Arc::new(first);
    let slot = Arc::new(Slot {
        generation: AtomicU64::new(0).into(),
        value: Mutex::new(Arc::clone(&first)),
    });
    let readers: Vec<_> = (0..readers)
        .map(|_| Reader {
            slot: Arc::clone(&slot),
            acknowledgement: Arc::new(AtomicU64::new(0).into()),
            current: Arc::clone(&first),
            generation: Generation(0),
        })
        .collect();
    let acknowledgements = readers
        .iter()
        .map(|r| Arc::clone(&r.acknowledgement))
        .collect();
    let kept = vec![(Generation(0), first)];
    (
        Publisher {
            slot,
            acknowledgements,
            kept,
            newest: Generation(0),
        },
        readers,
    )
}

impl<T> Publisher<T> {
    /// Makes `value` what readers see, and returns its generation.
    pub fn publish(&mut self, value: T) -> Generation {
        let value = Arc::new(value);
        self.newest = Generation(self.newest.0 + 1);
        self.kept.push((self.newest, Arc::clone(&value)));
        let mut slot = self
            .slot
            .value
            .lock()
            .expect("no holder of this lock can panic");
        *slot = value;
        drop(slot);
        // Release: a reader that sees this generation finds at least its value in the slot.
        self.slot.generation.store(self.newest.0, Ordering::Release);
        self.free_acknowledged();
        self.newest
    }

    /// The generation that every reader has reached; the newest one if there are no readers.
    #[must_use]
    pub fn acknowledged(&self) -> Generation {
        let oldest = self
            .acknowledgements
            .iter()
            .map(|a| a.load(Ordering::Acquire))
            .min();
        oldest.map_or(self.newest, Generation)
    }

    /// Frees values that no reader holds any more.
    pub fn free_acknowledged(&mut self) {
        let acknowledged = self.acknowledged();
        self.kept
            .retain(|(generation, _)| *generation >= acknowledged);
    }

    /// Number of values that are kept in memory; 1 when all readers are up to date.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.len()
    }
}

impl<T> Reader<T> {
    /// The value as of the last [`Self::refresh`].
    #[must_use]
    pub fn current(&self) -> &T {
        &self.current
    }

    /// Takes and acknowledges the newest value if there is one. True if it did. If the publisher
    /// is just storing one, the next call takes it.
    pub fn refresh(&mut self) -> bool {
        let generation = self.slot.generation.load(Ordering::Acquire);
        if generation == self.generation.0 {
            return false;
        }
        let Ok(value) = self.slot.value.try_lock() else {
            return false;
        };
        self.current = Arc::clone(&value);
        drop(value);
        self.generation = Generation(generation);
        // Release: the publisher frees the old value only after this worker let it go above.
        self.acknowledgement.store(generation, Ordering::Release);
        true
    }

    /// The generation of [`Self::current`], or an older one if a newer value was taken while
    /// its generation was not yet announced.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_is_the_slowest_reader() {
        let (mut publisher, mut readers) = channel("a", 2);
        assert_eq!(publisher.publish("b"), Generation(1));
        assert!(readers[0].refresh());
        assert_eq!((readers[0].current(), readers[1].current()), (&"b", &"a"));
        assert_eq!(publisher.acknowledged(), Generation(0));
        assert!(readers[1].refresh() && !readers[1].refresh());
        assert_eq!(publisher.acknowledged(), Generation(1));
    }

    #[test]
    fn values_are_kept_until_all_have_moved_on() {
        let (mut publisher, mut readers) = channel(0, 2);
        publisher.publish(1);
        publisher.publish(2);
        assert_eq!(publisher.kept(), 3);
        assert!(readers[0].refresh());
        publisher.free_acknowledged();
        assert_eq!(publisher.kept(), 3);
        assert!(readers[1].refresh());
        publisher.free_acknowledged();
        assert_eq!((publisher.kept(), *readers[1].current()), (1, 2));
    }

    #[test]
    fn without_readers_everything_is_acknowledged() {
        let (mut publisher, _) = channel((), 0);
        assert_eq!(publisher.publish(()), publisher.acknowledged());
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::thread;

    /// Tells on which thread it is freed.
    struct Tracked {
        generation: u64,
        owner: thread::ThreadId,
    }

    impl Drop for Tracked {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.owner, "a worker freed a table");
        }
    }

    #[test]
    fn workers_see_what_they_acknowledge_and_never_free() {
        loom::model(|| {
            let owner = thread::current().id();
            let tracked = move |generation| Tracked { generation, owner };
            let (mut publisher, readers) = channel(tracked(0), 2);
            let workers: Vec<_> = readers
                .into_iter()
                .map(|mut reader| {
                    thread::spawn(move || {
                        reader.refresh();
                        assert!(reader.current().generation >= reader.generation().0);
                        reader
                    })
                })
                .collect();
            publisher.publish(tracked(1));
            publisher.free_acknowledged();
            // The readers come back here, so that the last owner of a value is this thread.
            for worker in workers {
                drop(worker.join().expect("the worker did not panic"));
            }
        });
    }
}
