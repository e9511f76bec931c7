//! Queues of frames that share one fixed number of places.

/// The end of a queue.
const NIL: u32 = u32::MAX;

#[derive(Debug)]
struct Place<F> {
    frame: Option<F>,
    next: u32,
}

/// The places.
#[derive(Debug)]
pub(super) struct Pool<F> {
    places: Box<[Place<F>]>,
    free: Vec<u32>,
}

/// Frames in order of their coming.
#[derive(Debug)]
pub(super) struct Queue {
    first: u32,
    last: u32,
    len: usize,
}

impl Queue {
    pub(super) const EMPTY: Self = Self {
        first: NIL,
        last: NIL,
        len: 0,
    };

    pub(super) const fn len(&self) -> usize {
        self.len
    }
}

impl<F> Pool<F> {
    pub(super) fn new(capacity: usize) -> Self {
        let place = || Place {
            frame: None,
            next: NIL,
        };
        Self {
            places: std::iter::repeat_with(place).take(capacity).collect(),
            free: (0..capacity as u32).rev().collect(),
        }
    }

    pub(super) fn used(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Adds a frame at the end; it comes back if all places are taken.
    pub(super) fn push(&mut self, queue: &mut Queue, frame: F) -> Result<(), F> {
        let Some(place) = self.free.pop() else {
            return Err(frame);
        };
        self.places[place as usize] = Place {
            frame: Some(frame),
            next: NIL,
        };
        match queue.last {
            NIL => queue.first = place,
            last => self.places[last as usize].next = place,
        }
        queue.last = place;
        queue.len += 1;
        Ok(())
    }

    /// Takes the first frame.
    pub(super) fn pop(&mut self, queue: &mut Queue) -> Option<F> {
        let place = self.places.get_mut(queue.first as usize)?;
        self.free.push(queue.first);
        queue.first = place.next;
        queue.len -= 1;
        if queue.first == NIL {
            queue.last = NIL;
        }
        place.frame.take()
    }
}
