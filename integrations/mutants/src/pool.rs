//! Trials in processes of their own: a mutant may never end, or take its process with it.
//!
//! A worker reads a line, answers with any number of lines that say that it still works, and then with one that begins with
//! [`ANSWER`]. One that is silent for too long is ended, and another takes its place.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

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
    /// Nothing runs yet. `patience` is how long it may be silent.
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
        let (_, input, output) = self.running.get_or_insert_with(|| start((self.command)()));
        // One that ended is found out by what it does not answer.
        let _ = writeln!(input, "{line}").and_then(|()| input.flush());
        let silence = loop {
            match output.recv_timeout(self.patience) {
                Ok(said) => {
                    if let Some(answer) = said.strip_prefix(ANSWER) {
                        return Ok(answer.to_owned());
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => break Silence::Hung,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break Silence::Ended,
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
        Worker::new(command, Duration::from_millis(500))
    }

    #[test]
    fn answers_come_through() {
        let mut worker = worker("while read -r line; do echo .; echo \"= <$line>\"; done");
        assert_eq!(worker.ask("a"), Ok("<a>".to_owned()));
        assert_eq!(worker.ask("b"), Ok("<b>".to_owned()));
    }

    #[test]
    fn what_hangs_is_ended_and_replaced() {
        let mut worker = worker("while read -r line; do if [ $line = hang ]; then exec sleep 60; fi; echo \"= $line\"; done");
        assert_eq!(worker.ask("a"), Ok("a".to_owned()));
        assert_eq!(worker.ask("hang"), Err(Silence::Hung));
        assert_eq!(worker.ask("b"), Ok("b".to_owned()));
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
