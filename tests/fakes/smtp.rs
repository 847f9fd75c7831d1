//! An SMTP server that keeps every mail that it accepts, and fails in the ways that are told to it. It serves on a port of this
//! machine from threads of its own, so that other processes can send to it too.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// A mail that it accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// The sender of the envelope.
    pub(crate) from: String,
    /// The recipient of the envelope.
    pub(crate) to: String,
    /// The headers and the body, as they came.
    pub(crate) data: String,
    /// When it was accepted.
    pub(crate) at: Instant,
}

/// What it does with one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Accepts the mail.
    Accept,
    /// Answers this command with this reply: `AUTH`, `MAIL`, `RCPT`, `DATA`, or `.` for the end of the data.
    Reply(&'static str, &'static str),
    /// Cuts the connection at this command.
    Cut(&'static str),
    /// Accepts the mail and cuts the connection before it answers.
    AcceptAndCut,
    /// Accepts the mail and never answers. The connection stays.
    AcceptAndWait,
}

/// The server. Its threads end with the process.
pub(crate) struct FakeSmtp {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    next: Mutex<VecDeque<Behaviour>>,
    accepted: Mutex<Vec<Received>>,
    connections: AtomicUsize,
}

impl FakeSmtp {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (addr, shared) = (listener.local_addr().expect("an address"), Arc::<Shared>::default());
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                shared.connections.fetch_add(1, Ordering::SeqCst);
                // An error is a client that left.
                std::thread::spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self { addr, shared }
    }

    /// Its address with a login, for `SMTP_URL`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://levqor:p%40ss@{}", self.addr)
    }

    /// The mails that it accepted so far.
    pub(crate) fn accepted(&self) -> Vec<Received> {
        lock(&self.shared.accepted).clone()
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// What it does with the next mails. Then it accepts again.
    pub(crate) fn next(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        lock(&self.shared.next).extend(behaviours);
    }

    /// Forgets what it was told to do with mails that did not come yet.
    pub(crate) fn heal(&self) {
        lock(&self.shared.next).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("the state")
}

/// The reply to a command of this mail, if the test wants another than the usual one. None: cut the connection.
fn reply(behaviour: Behaviour, command: &str, usual: &'static str) -> Option<&'static str> {
    match behaviour {
        Behaviour::Reply(at, reply) if at == command => Some(reply),
        Behaviour::Cut(at) if at == command => None,
        _ => Some(usual),
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let say = |text: &str| (&mut &*stream).write_all(format!("{text}\r\n").as_bytes());
    let mut lines = BufReader::new(stream).lines();
    let (mut behaviour, mut mail) = (Behaviour::Accept, (String::new(), String::new()));
    say("220 fake ESMTP")?;
    while let Some(line) = lines.next().transpose()? {
        let command = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let path = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let usual = match command.as_str() {
            "EHLO" => "250-fake\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
            "AUTH" => {
                // Before the mail, so its behaviour is only looked at.
                let first = lock(&shared.next).front().copied().unwrap_or(Behaviour::Accept);
                if matches!(first, Behaviour::Reply("AUTH", _)) {
                    behaviour = first;
                    lock(&shared.next).pop_front();
                }
                // \0levqor\0p@ss
                if line.ends_with("AGxldnFvcgBwQHNz") {
                    "235 2.7.0 welcome"
                } else {
                    "535 5.7.8 no such login"
                }
            }
            "MAIL" => {
                behaviour = lock(&shared.next).pop_front().unwrap_or(Behaviour::Accept);
                mail.0 = path();
                "250 2.1.0 ok"
            }
            "RCPT" => {
                mail.1 = path();
                "250 2.1.5 ok"
            }
            "DATA" => "354 go on",
            "QUIT" => return say("221 bye"),
            _ => "250 ok",
        };
        let Some(said) = reply(behaviour, &command, usual) else { return Ok(()) };
        say(said)?;
        if !said.starts_with("354") {
            continue;
        }
        let mut data = String::new();
        while let Some(line) = lines.next().transpose()? {
            if line == "." {
                break;
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push('\n');
        }
        let Some(said) = reply(behaviour, ".", "250 2.0.0 ok: queued as 4Xyz") else { return Ok(()) };
        if said.starts_with('2') {
            let (from, to) = mail.clone();
            lock(&shared.accepted).push(Received { from, to, data, at: Instant::now() });
        }
        match behaviour {
            Behaviour::AcceptAndCut => return Ok(()),
            // Until the client leaves.
            Behaviour::AcceptAndWait => return lines.try_for_each(|line| line.map(drop)),
            _ => {}
        }
        say(said)?;
    }
    Ok(())
}
