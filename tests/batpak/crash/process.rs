//! The process that dies, seen by its parent.

use super::child::{DIRECTORY, HABITS, NAME};
use super::report::Report;
use super::workload::Habits;
use crate::random::Random;
use crate::support::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// How the test harness ends when a test has panicked.
const PANICKED: i32 = 101;

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pub(super) habits: Habits,
    reports: Receiver<Report>,
    pub(super) received: Vec<Report>,
}

impl Process {
    pub(super) fn start(dir: &Path, seed: u64) -> Self {
        let program = std::env::current_exe().expect("known");
        let mut child = Command::new(program)
            .args([NAME, "--exact", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, dir)
            .env(HABITS, seed.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let out = child.stdout.take().expect("piped");
        let (sender, reports) = mpsc::channel();
        thread::spawn(move || listen(out, &sender));
        Self { child, habits: Habits::new(seed), reports, received: Vec::new() }
    }

    /// Lets it go on until it has reported a random number of events, and then for some microseconds; or until its store
    /// accepts nothing more.
    pub(super) fn run_to_any_moment(&mut self, random: &mut Random) {
        let wanted = random.below(4) * random.below(150);
        while self.received.len() as u64 <= wanted && wanted > 0 && !self.has_ended() {
            self.wait_for_report();
        }
        let more = Duration::from_micros(random.below(if wanted == 0 { 30_000 } else { 2000 }));
        while let Ok(report) = self.reports.recv_timeout(more) {
            self.received.push(report);
            if random.below(4) == 0 {
                return;
            }
        }
    }

    /// Nothing was wrong with its disk so far.
    pub(super) fn check_goes_on(&self) {
        assert!(!self.has_ended(), "the store has stopped by itself: {:?}", self.received.last());
    }

    /// Waits until its store accepts nothing more, or so much was reported.
    pub(super) fn run_to_its_end(&mut self, patience: usize) {
        while !self.has_ended() && self.received.len() < patience {
            self.wait_for_report();
        }
    }

    fn wait_for_report(&mut self) {
        match self.reports.recv_timeout(PATIENCE) {
            Ok(report) => self.received.push(report),
            Err(error) => panic!("the child has stopped: {error}, {:?}", self.child.try_wait()),
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.received.last(), Some(Report::Refused { .. } | Report::Failed { .. }))
    }

    /// Kills it, and returns all that it had reported.
    pub(super) fn kill(mut self) -> Vec<Report> {
        self.child.kill().expect("kills");
        let status = self.child.wait().expect("ends");
        assert!(!status.success() && status.code() != Some(PANICKED), "it did not end by being killed: {status}");
        loop {
            match self.reports.recv_timeout(PATIENCE) {
                Ok(report) => self.received.push(report),
                Err(RecvTimeoutError::Disconnected) => return std::mem::take(&mut self.received),
                Err(RecvTimeoutError::Timeout) => panic!("the pipe did not end"),
            }
        }
    }
}

impl Drop for Process {
    /// A test that has failed leaves nobody behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(out: impl Read, sender: &Sender<Report>) {
    let mut out = BufReader::new(out);
    let mut line = String::new();
    while out.read_line(&mut line).is_ok_and(|n| n > 0) {
        if let Some(report) = Report::parse(&line)
            && sender.send(report).is_err()
        {
            return;
        }
        line.clear();
    }
}
