//! Trials in processes of their own: a mutant may never end, or take its process with it.
//!
//! A worker reads a line, answers with any number of lines that say that it still works, and then with one that begins with
//! [`ANSWER`]. One that is silent for too long is ended, and another takes its place. How long is counted in processor time where the
//! system tells it: a busy machine makes no mutant hang.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What an answer begins with.
pub const ANSWER: &str = "= ";

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It was silent for too long.
    Hung,
    /// It ended.
    Ended,
}

/// One worker at a time.
pub struct Worker {
    command: Box<dyn Fn() -> Command + Send>,
    patience: Duration,
    running: Option<(Child, ChildStdin, Receiver<String>)>,
}

impl Worker {
    /// What is silent for so many times its patience has hung, even if it takes no processor time.
    const ASLEEP: u32 = 20;

    /// Nothing runs yet. `patience` is the processor time that it may take in silence.
    pub fn new(command: impl Fn() -> Command + Send + 'static, patience: Duration) -> Self {
        Self { command: Box::new(command), patience, running: None }
    }

    /// The answer to a line.
    ///
    /// # Errors
    /// [`Silence`]; the next line goes to another process.
    ///
    /// # Panics
    /// If no process can be started.
    pub fn ask(&mut self, line: &str) -> Result<String, Silence> {
        let (child, input, output) = self.running.get_or_insert_with(|| start((self.command)()));
        // One that ended is found out by what it does not answer.
        let _ = writeln!(input, "{line}").and_then(|()| input.flush());
        let mut since = (Instant::now(), processor_time(child));
        let silence = loop {
            match output.recv_timeout(self.patience / 10) {
                Ok(said) => {
                    if let Some(answer) = said.strip_prefix(ANSWER) {
                        return Ok(answer.to_owned());
                    }
                    since = (Instant::now(), processor_time(child));
                }
                Err(RecvTimeoutError::Timeout) => {
                    let asleep = since.0.elapsed();
                    let worked = match (processor_time(child), since.1) {
                        (Some(now), Some(then)) => now.saturating_sub(then),
                        _ => asleep,
                    };
                    if worked > self.patience || asleep > Self::ASLEEP * self.patience {
                        break Silence::Hung;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break Silence::Ended,
            }
        };
        self.end();
        Err(silence)
    }

    /// Ends the process; the next line goes to another.
    pub fn end(&mut self) {
        if let Some((mut child, input, _)) = self.running.take() {
            drop(input);
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a process has taken, all its threads together. Linux counts it in hundredths of a second.
fn processor_time(child: &Child) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    // The name, which may have spaces, ends with a bracket; the 12th and 13th field behind it are those of user and system.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let [user, system] = [fields.get(11)?, fields.get(12)?].map(|field| field.parse::<u64>());
    Some(Duration::from_millis(10 * (user.ok()? + system.ok()?)))
}

fn start(mut command: Command) -> (Child, ChildStdin, Receiver<String>) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a worker can be started");
    let input = child.stdin.take().expect("it is piped");
    let output = child.stdout.take().expect("it is piped");
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    (child, input, receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(script: &'static str) -> Worker {
        let command = move || {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        Worker::new(command, Duration::from_millis(300))
    }

    #[test]
    fn answers_come_through() {
        let mut worker = worker("while read -r line; do echo .; echo \"= <$line>\"; done");
        assert_eq!(worker.ask("a"), Ok("<a>".to_owned()));
        assert_eq!(worker.ask("b"), Ok("<b>".to_owned()));
    }

    #[test]
    fn what_hangs_is_ended_and_replaced() {
        let mut worker =
            worker("while read -r line; do if [ $line = hang ]; then while :; do :; done; fi; echo \"= $line\"; done");
        assert_eq!(worker.ask("a"), Ok("a".to_owned()));
        assert_eq!(worker.ask("hang"), Err(Silence::Hung));
        assert_eq!(worker.ask("b"), Ok("b".to_owned()));
    }

    #[test]
    fn what_sleeps_for_ever_is_ended_too() {
        let mut worker = worker("read -r line; exec sleep 600");
        assert_eq!(worker.ask("a"), Err(Silence::Hung));
    }

    #[test]
    fn what_ends_is_replaced() {
        let mut worker = worker("read -r line; if [ $line = end ]; then exit 1; fi; echo \"= $line\"; sleep 60");
        assert_eq!(worker.ask("end"), Err(Silence::Ended));
        assert_eq!(worker.ask("a"), Ok("a".to_owned()));
    }

    #[test]
    fn one_that_still_works_is_waited_for() {
        let mut worker = worker("read -r line; for k in 1 2 3 4 5 6; do sleep 0.2; echo .; done; echo \"= $line\"");
        assert_eq!(worker.ask("a"), Ok("a".to_owned()));
    }
}
