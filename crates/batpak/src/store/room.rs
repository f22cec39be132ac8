//! Room in the log for a commit that found none: the next segment is begun outside the commit lock, so that nobody who
//! only submits waits for the disk. What is submitted meanwhile queues, and is committed in order afterwards.

use crate::store::StoreError;
use crate::store::job::Job;
use crate::store::place::Settled;
use crate::store::shared::{Shared, Writing};
use batpak_segment::Frame;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// A job in the queue, with what has become of it.
#[derive(Debug)]
pub(crate) struct Queued(Mutex<State>);

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Done(Box<Job>, Result<Settled, StoreError>),
    Taken,
}

impl Queued {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has become of the job, once.
    pub(crate) fn take(&self) -> Option<(Box<Job>, Result<Settled, StoreError>)> {
        let mut state = self.state();
        if !matches!(*state, State::Done(..)) {
            return None;
        }
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(job, result) => Some((job, result)),
            State::Waiting(_) | State::Taken => None,
        }
    }

    /// Has `waker` called when something has become of it; false if that is so already.
    pub(crate) fn wake_when_done(&self, waker: &Waker) -> bool {
        match &mut *self.state() {
            State::Waiting(waiting) => {
                *waiting = Some(waker.clone());
                true
            }
            State::Done(..) | State::Taken => false,
        }
    }

    fn finish(&self, job: Box<Job>, result: Result<Settled, StoreError>) {
        let before = std::mem::replace(&mut *self.state(), State::Done(job, result));
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

/// What waits for room. Behind the commit lock.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    queue: VecDeque<(Box<Job>, Arc<Queued>)>,
    /// Somebody makes room, or commits what is queued.
    busy: bool,
    closed: bool,
}

impl Backlog {
    /// Whether a commit that comes now has to stand behind others.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy || !self.queue.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Puts a job at the end.
    ///
    /// # Errors
    /// `Closed` if nobody would take it out again.
    pub(crate) fn push(&mut self, job: Box<Job>) -> Result<Arc<Queued>, StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        let queued = Arc::new(Queued(Mutex::new(State::Waiting(None))));
        self.queue.push_back((job, Arc::clone(&queued)));
        Ok(queued)
    }
}

impl Shared {
    /// Makes room for a commit that found none, and commits what is queued. Waits for the disk.
    pub(crate) fn make_room(&self, writing: &Writing, frame: &Frame) -> Result<(), StoreError> {
        let turn = writing.room();
        writing.commit().backlog.busy = true;
        let made = self.next_segment(writing, frame);
        self.drain(writing);
        drop(turn);
        made
    }

    /// Ending a segment syncs it, and somebody may wait for that.
    fn next_segment(&self, writing: &Writing, frame: &Frame) -> Result<(), StoreError> {
        writing.log.make_room(frame)?;
        writing.commit().index.begin_live();
        writing.freezing.want();
        self.publish(writing);
        Ok(())
    }

    /// Commits what is queued, or waits until somebody else has.
    pub(crate) fn work_off(&self, writing: &Writing) {
        let turn = writing.room();
        self.drain(writing);
        drop(turn);
    }

    /// From now on nothing is queued; what is, is committed.
    pub(crate) fn close_backlog(&self, writing: &Writing) {
        writing.commit().backlog.closed = true;
        self.work_off(writing);
    }

    /// Commits what is queued, in order, and lets others commit again. Only one thread at a time does this.
    fn drain(&self, writing: &Writing) {
        let mut panicked = None;
        loop {
            let mut commit = writing.commit();
            let Some((mut job, queued)) = commit.backlog.queue.pop_front() else {
                commit.backlog.busy = false;
                break;
            };
            // Whoever comes stays behind the job that is being committed.
            commit.backlog.busy = true;
            drop(commit);
            // Whoever waits for a job is told also if the file system panics.
            let placed = catch_unwind(AssertUnwindSafe(|| self.place_job(writing, &mut job)));
            let result = placed.unwrap_or_else(|panic| {
                panicked = Some(panic);
                let reason = "committing it panicked".to_owned();
                Err(StoreError::Failed { reason, kind: ErrorKind::Other, outcome_unknown: true })
            });
            queued.finish(job, result);
        }
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }

    fn place_job(&self, writing: &Writing, job: &mut Job) -> Result<Settled, StoreError> {
        loop {
            if let Some(settled) = self.place(writing, writing.commit(), job)? {
                return Ok(settled);
            }
            self.next_segment(writing, &job.frame)?;
        }
    }
}
