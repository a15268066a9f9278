//! A tap on the wire between a process and its database: it holds the process at one of its commits.
//!
//! What a transaction wrote is there from its commit on, and undone by the server without one. So the moments that
//! differ are right before the server gets a commit, and right after it made one, which the process has not heard of.

use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::support::postgres::Database;

/// On which side of a commit the process is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The server does not get it.
    Before,
    /// The server made it, and the process does not hear of that.
    After,
}

/// Listens for the process, for as long as the test lasts.
#[derive(Debug)]
pub(crate) struct Tap {
    url: String,
    hold: Arc<Hold>,
}

/// At which commit to hold, and whether it came.
#[derive(Debug)]
struct Hold {
    nth: u32,
    side: Side,
    commits: AtomicU32,
    /// The commit is with the server, and its answer is not to be passed on.
    is_mute: AtomicBool,
    is_holding: AtomicBool,
}

impl Tap {
    /// Leads to the database, and holds whoever comes at the n-th commit of all.
    pub(crate) fn open(database: &Database<'_>, nth: u32, side: Side) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let name = &database.name;
        // What is encrypted could not be read here; by the socket nobody is asked for a password.
        let url = format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable");
        let socket = database.socket();
        let hold = Arc::new(Hold {
            nth,
            side,
            commits: AtomicU32::new(0),
            is_mute: AtomicBool::new(false),
            is_holding: AtomicBool::new(false),
        });
        let shared = Arc::clone(&hold);
        std::thread::spawn(move || {
            for process in listener.incoming().map_while(Result::ok) {
                let server = UnixStream::connect(&socket).unwrap();
                shared.connect(process, server);
            }
        });
        Self { url, hold }
    }

    /// The address of the database by way of it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether the process stands at that commit.
    pub(crate) fn is_holding(&self) -> bool {
        self.hold.is_holding.load(Ordering::Acquire)
    }
}

impl Hold {
    /// Carries both ways, until one side goes.
    fn connect(self: &Arc<Self>, process: TcpStream, server: UnixStream) {
        let (questions, answers) = (Arc::clone(self), Arc::clone(self));
        let (asking, answering) = (process.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = questions.carry_questions(asking, &answering);
            // The server undoes what is open.
            let _ = answering.shutdown(Shutdown::Both);
        });
        std::thread::spawn(move || {
            let _ = answers.carry_answers(server, &process);
            let _ = process.shutdown(Shutdown::Both);
        });
    }

    fn carry_questions(&self, mut process: TcpStream, mut server: &UnixStream) -> std::io::Result<()> {
        // The first message has no letter before its length (postgresql.org/docs/current/protocol-message-formats.html).
        server.write_all(&read_sized(&mut process)?)?;
        loop {
            let mut letter = [0];
            process.read_exact(&mut letter)?;
            let body = read_sized(&mut process)?;
            let is_commit = letter == *b"Q" && body[4..] == *b"COMMIT\0";
            if is_commit && 1 + self.commits.fetch_add(1, Ordering::AcqRel) == self.nth {
                match self.side {
                    Side::Before => {
                        self.is_holding.store(true, Ordering::Release);
                        // Nothing passes any more until the process goes.
                        std::io::copy(&mut process, &mut std::io::sink())?;
                        return Ok(());
                    }
                    Side::After => self.is_mute.store(true, Ordering::Release),
                }
            }
            server.write_all(&letter)?;
            server.write_all(&body)?;
        }
    }

    fn carry_answers(&self, mut server: UnixStream, mut process: &TcpStream) -> std::io::Result<()> {
        let mut answer = [0; 16 * 1024];
        loop {
            let length = server.read(&mut answer)?;
            if length == 0 {
                return Ok(());
            }
            let answer = &answer[..length];
            let is_made = answer.windows(7).any(|words| words == b"COMMIT\0");
            if is_made && self.is_mute.load(Ordering::Acquire) {
                self.is_holding.store(true, Ordering::Release);
                std::io::copy(&mut server, &mut std::io::sink())?;
                return Ok(());
            }
            process.write_all(answer)?;
        }
    }
}

/// A message with its length, which counts itself.
fn read_sized(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut message = length.to_vec();
    let rest = u64::from(u32::from_be_bytes(length)) - 4;
    from.take(rest).read_to_end(&mut message)?;
    Ok(message)
}
