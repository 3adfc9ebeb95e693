//! How lines of the log are written. They gather in memory, and a thread of their own writes many of them in one system call. None is left
//! out here. Where the log's reader is slow and the buffer is full, the caller waits, as if it wrote itself.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// How long lines gather. That much of the log is lost when the process dies; when it ends, it flushes.
const GATHER: Duration = Duration::from_millis(5);
const ROOM_BYTES: usize = 1 << 20;

#[derive(Clone)]
pub struct Lines(Arc<SharedLines>);

#[derive(Default)]
struct SharedLines {
    state: Mutex<LineBuffer>,
    /// There is a first line.
    begun: Condvar,
    /// There is room again, or all is written.
    taken: Condvar,
}

#[derive(Default)]
struct LineBuffer {
    waiting: Vec<u8>,
    /// Lines were taken and are not written yet.
    writing: bool,
}

impl SharedLines {
    fn state(&self) -> MutexGuard<'_, LineBuffer> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, on: &Condvar, state: MutexGuard<'a, LineBuffer>) -> MutexGuard<'a, LineBuffer> {
        on.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, out: &mut impl Write) {
        let mut taken = Vec::new();
        loop {
            let mut state = self.state();
            while state.waiting.is_empty() {
                state = self.wait(&self.begun, state);
            }
            drop(state);
            std::thread::sleep(GATHER);
            let mut state = self.state();
            std::mem::swap(&mut taken, &mut state.waiting);
            state.writing = true;
            drop(state);
            self.taken.notify_all();
            // A log that nobody can read any more stops nothing.
            let _ = out.write_all(&taken);
            taken.clear();
            self.state().writing = false;
            self.taken.notify_all();
        }
    }
}

impl Lines {
    pub fn to(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(SharedLines::default());
        let written = Arc::clone(&shared);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || written.write_all(&mut out))?;
        Ok(Self(shared))
    }

    /// Waits until everything so far is written.
    pub fn flush(&self) {
        let mut state = self.0.state();
        while state.writing || !state.waiting.is_empty() {
            state = self.0.wait(&self.0.taken, state);
        }
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        while state.waiting.len() >= ROOM_BYTES {
            state = self.0.wait(&self.0.taken, state);
        }
        let first = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        drop(state);
        if first {
            self.0.begun.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Lines;
    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    const EACH: usize = 512;

    /// Takes a piece whenever it is told to.
    struct Slow(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.lock().unwrap().extend_from_slice(piece);
            Ok(piece.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Four threads write four times what there is room for, while nothing is taken. Then every line is there, whole and in its thread's
    /// order.
    #[test]
    fn no_line_is_left_out_when_the_room_is_full() {
        let (tell, told) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let lines = Lines::to(Slow(told, Arc::clone(&written))).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let lines = lines.clone();
                std::thread::spawn(move || {
                    for at in 0..EACH {
                        (&lines).write_all(format!("{thread} {at} {}\n", "x".repeat(ROOM_BYTES / EACH)).as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        std::thread::sleep(GATHER * 20);
        assert!(threads.iter().any(|it| !it.is_finished()), "somebody waits for room");
        (0..10_000).for_each(|_| tell.send(()).unwrap());
        threads.into_iter().for_each(|it| it.join().unwrap());
        lines.flush();
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        for thread in 0..4 {
            let own: Vec<usize> = text.lines().filter_map(|it| it.strip_prefix(&format!("{thread} "))).map(numbered).collect();
            assert_eq!(own, (0..EACH).collect::<Vec<_>>());
        }
    }

    fn numbered(line: &str) -> usize {
        let (number, rest) = line.split_once(' ').unwrap();
        assert_eq!(rest.len(), ROOM_BYTES / EACH);
        number.parse().unwrap()
    }
}
