//! Packets that wait for neighbors' addresses: one pool, a list in it for each neighbor.

/// Packets that wait for one neighbor at most: the first packets of this many flows, when all
/// clients come at once after a start.
pub const WAITING_EACH: usize = 512;
/// Packets that wait for all neighbors at most.
pub const WAITING_ALL: usize = 2048;
/// Of these, packets that wait for clients that have never answered.
pub const WAITING_UNPROVEN: usize = 768;
/// Of these, places kept for neighbors for which fewer than [`WAITING_MINIMUM`] wait.
pub const WAITING_FLOOR: usize = 256;
/// Packets that may wait for a neighbor that is proven however many wait for others, as long as
/// [`WAITING_FLOOR`] suffices.
pub const WAITING_MINIMUM: usize = 2;

/// No slot.
const NONE: u16 = u16::MAX;

/// A packet is not taken to wait because too many wait already, or the neighbor is not being
/// asked. It comes back.
#[derive(Debug)]
pub struct QueueFull<F>(pub F);

/// Rights in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Infrastructure, and clients that have answered.
    Proven,
    /// Perhaps nobody.
    Unproven,
}

/// The packets of one neighbor: a list in the pool, the oldest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    first: u16,
    last: u16,
    len: u16,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            first: NONE,
            last: NONE,
            len: 0,
        }
    }
}

impl Queue {
    /// Number of packets.
    pub(super) const fn len(&self) -> u16 {
        self.len
    }
}

#[derive(Debug)]
struct Slot<F> {
    frame: Option<F>,
    /// In a neighbor's list or in the free list.
    next: u16,
}

/// The packets of all neighbors.
#[derive(Debug)]
pub(super) struct Pool<F> {
    slots: Vec<Slot<F>>,
    free: u16,
    used: usize,
    unproven: usize,
}

impl<F> Pool<F> {
    /// An empty pool with all its memory.
    pub(super) fn new() -> Self {
        let slot = |n| Slot {
            frame: None,
            next: if n < WAITING_ALL { n as u16 } else { NONE },
        };
        Self {
            slots: (1..=WAITING_ALL).map(slot).collect(),
            free: 0,
            used: 0,
            unproven: 0,
        }
    }

    /// Number of packets.
    pub(super) const fn len(&self) -> usize {
        self.used
    }

    /// True if a packet more may wait for a neighbor of this standing for which `waiting` wait.
    fn has_room(&self, waiting: usize, standing: Standing) -> bool {
        let free = WAITING_ALL - self.used;
        let above_floor = free.saturating_sub(WAITING_FLOOR);
        let limit = match standing {
            Standing::Proven if waiting < WAITING_MINIMUM => return free > 0,
            Standing::Proven => above_floor,
            // Twice what is free, so that one client has the same limit as a backend.
            Standing::Unproven => above_floor.min(2 * (WAITING_UNPROVEN - self.unproven)),
        };
        waiting < WAITING_EACH.min(limit)
    }

    /// Lets `frame` wait at the end of `queue`.
    pub(super) fn push(
        &mut self,
        queue: &mut Queue,
        standing: Standing,
        frame: F,
    ) -> Result<(), QueueFull<F>> {
        if !self.has_room(queue.len.into(), standing) {
            return Err(QueueFull(frame));
        }
        let place = self.free;
        let slot = &mut self.slots[usize::from(place)];
        self.free = std::mem::replace(&mut slot.next, NONE);
        slot.frame = Some(frame);
        match queue.len {
            0 => queue.first = place,
            _ => self.slots[usize::from(queue.last)].next = place,
        }
        queue.last = place;
        queue.len += 1;
        self.used += 1;
        self.unproven += usize::from(standing == Standing::Unproven);
        Ok(())
    }

    /// Gives up all packets of `queue`, in order.
    pub(super) fn release(
        &mut self,
        queue: &mut Queue,
        standing: Standing,
        mut give: impl FnMut(F),
    ) {
        let Queue {
            first: mut place,
            len,
            ..
        } = std::mem::take(queue);
        self.used -= usize::from(len);
        if standing == Standing::Unproven {
            self.unproven -= usize::from(len);
        }
        while place != NONE {
            let slot = &mut self.slots[usize::from(place)];
            let next = std::mem::replace(&mut slot.next, self.free);
            self.free = std::mem::replace(&mut place, next);
            if let Some(frame) = slot.frame.take() {
                give(frame);
            }
        }
    }

    /// Notes that the neighbor of `queue`, unproven until now, is infrastructure.
    pub(super) fn promote(&mut self, queue: &Queue) {
        self.unproven -= usize::from(queue.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(pool: &mut Pool<u32>, standing: Standing) -> (Queue, usize) {
        let mut queue = Queue::default();
        while pool.push(&mut queue, standing, 0).is_ok() {}
        (queue, queue.len().into())
    }

    #[test]
    fn one_neighbor_of_either_standing_has_the_whole_limit() {
        for standing in [Standing::Proven, Standing::Unproven] {
            assert_eq!(fill(&mut Pool::new(), standing).1, WAITING_EACH);
        }
    }

    #[test]
    fn greed_leaves_the_minimum_to_others() {
        let mut pool = Pool::new();
        let mut limits = vec![];
        while pool.len() < WAITING_ALL - WAITING_FLOOR {
            limits.push(fill(&mut pool, Standing::Proven).1);
        }
        assert!(limits.is_sorted_by(|a, b| a >= b), "{limits:?}");
        while pool.len() < WAITING_ALL {
            let more = fill(&mut pool, Standing::Proven).1;
            assert!(more == WAITING_MINIMUM || pool.len() == WAITING_ALL);
            limits.push(more);
        }
        assert!(limits.len() >= WAITING_FLOOR / WAITING_MINIMUM);
    }

    #[test]
    fn the_unproven_share_leaves_a_full_queue_to_a_backend() {
        let mut pool = Pool::new();
        for _ in 0..CLIENTS {
            fill(&mut pool, Standing::Unproven);
        }
        assert_eq!(pool.len(), WAITING_UNPROVEN);
        assert_eq!(fill(&mut pool, Standing::Proven).1, WAITING_EACH);
    }

    const CLIENTS: usize = 4 * WAITING_ALL;

    #[test]
    fn slots_are_used_again_and_order_is_kept() {
        let mut pool = Pool::new();
        for round in 0..3 {
            let mut queues = [Queue::default(); 4];
            for n in 0..WAITING_FLOOR as u32 {
                let queue = &mut queues[n as usize % 4];
                pool.push(queue, Standing::Proven, n)
                    .expect("there is room");
            }
            for (which, queue) in queues.iter_mut().enumerate() {
                let mut got = vec![];
                pool.release(queue, Standing::Proven, |frame| got.push(frame));
                let expected: Vec<_> = (which as u32..WAITING_FLOOR as u32).step_by(4).collect();
                assert_eq!(got, expected, "round {round}");
            }
            assert_eq!(pool.len(), 0);
        }
    }
}
