//! An SMTP server that keeps every mail that it accepts, and fails in the ways that a test chooses. It serves on a port of this
//! machine from threads of its own, so that other processes can send to it too.

// By path, so that other crates' tests can include this file by path.
#[path = "smtp/tls.rs"]
mod tls;

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use rustls::{ServerConnection, StreamOwned};

use self::tls::Tls;

/// A mail that it accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// The sender of the envelope.
    pub(crate) from: String,
    /// The recipient of the envelope.
    pub(crate) to: String,
    /// The headers and the body, as they came. Empty if the server keeps no data.
    pub(crate) data: String,
    /// When it was accepted.
    pub(crate) at: Instant,
}

/// Its reaction to one mail.
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
    logins: AtomicUsize,
    keeps_no_data: bool,
    tls: Option<Tls>,
}

impl FakeSmtp {
    /// Starts it.
    pub(crate) fn start() -> Self {
        Self::with(Shared::default())
    }

    /// Starts a server that keeps only the envelopes of mails.
    pub(crate) fn start_keeping_no_data() -> Self {
        Self::with(Shared { keeps_no_data: true, ..Shared::default() })
    }

    /// Starts a server that offers STARTTLS, and takes no login and no mail before it.
    pub(crate) fn start_with_tls() -> Self {
        Self::with(Shared { tls: Some(Tls::new()), ..Shared::default() })
    }

    fn with(shared: Shared) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (addr, shared) = (listener.local_addr().expect("an address"), Arc::new(shared));
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                shared.connections.fetch_add(1, Ordering::SeqCst);
                // An error is a client that left.
                std::thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { addr, shared }
    }

    /// Its address with a login, for `SMTP_URL`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://levqor:p%40ss@{}", self.addr)
    }

    /// Its certificate, in PEM. Empty without TLS.
    pub(crate) fn certificate(&self) -> String {
        self.shared.tls.as_ref().map(|tls| tls.pem.clone()).unwrap_or_default()
    }

    /// The mails that it accepted so far.
    pub(crate) fn accepted(&self) -> Vec<Received> {
        lock(&self.shared.accepted).clone()
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many logins were tried so far.
    pub(crate) fn logins(&self) -> usize {
        self.shared.logins.load(Ordering::SeqCst)
    }

    /// Sets its reactions to the next mails. Then it accepts again.
    pub(crate) fn next(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        lock(&self.shared.next).extend(behaviours);
    }

    /// Forgets the orders for mails that have not arrived yet.
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

/// A connection, before or after STARTTLS.
struct Talk<S: Read + Write> {
    stream: BufReader<S>,
    is_encrypted: bool,
}

impl<S: Read + Write> Talk<S> {
    fn say(&mut self, text: &str) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{text}\r\n").as_bytes())?;
        stream.flush()
    }

    /// The next line. None: the client has left.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line)?;
        Ok((length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut talk = Talk { stream: BufReader::new(stream), is_encrypted: false };
    talk.say("220 fake ESMTP")?;
    let encrypts = converse(&mut talk, shared)?;
    let Some(tls) = shared.tls.as_ref().filter(|_| encrypts) else { return Ok(()) };
    let connection = ServerConnection::new(Arc::clone(&tls.config)).map_err(io::Error::other)?;
    let stream = StreamOwned::new(connection, talk.stream.into_inner());
    converse(&mut Talk { stream: BufReader::new(stream), is_encrypted: true }, shared)?;
    Ok(())
}

/// Talks until the connection ends. Returns true if the client wants to encrypt it.
fn converse<S: Read + Write>(talk: &mut Talk<S>, shared: &Shared) -> io::Result<bool> {
    let (mut behaviour, mut mail) = (Behaviour::Accept, (String::new(), String::new()));
    let must_encrypt = shared.tls.is_some() && !talk.is_encrypted;
    while let Some(line) = talk.line()? {
        let command = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let path = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let usual = match command.as_str() {
            "EHLO" if must_encrypt => "250-fake\r\n250-STARTTLS\r\n250 8BITMIME",
            "EHLO" => "250-fake\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
            "STARTTLS" if must_encrypt => {
                talk.say("220 2.0.0 go on")?;
                return Ok(true);
            }
            "AUTH" => {
                shared.logins.fetch_add(1, Ordering::SeqCst);
                // Before the mail, so its behaviour is only looked at.
                let first = lock(&shared.next).front().copied().unwrap_or(Behaviour::Accept);
                if matches!(first, Behaviour::Reply("AUTH", _)) {
                    behaviour = first;
                    lock(&shared.next).pop_front();
                }
                // \0levqor\0p@ss
                if must_encrypt {
                    "530 5.7.0 Must issue a STARTTLS command first"
                } else if line.ends_with("AGxldnFvcgBwQHNz") {
                    "235 2.7.0 welcome"
                } else {
                    "535 5.7.8 no such login"
                }
            }
            "MAIL" | "RCPT" | "DATA" if must_encrypt => "530 5.7.0 Must issue a STARTTLS command first",
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
            "QUIT" => {
                talk.say("221 bye")?;
                return Ok(false);
            }
            _ => "250 ok",
        };
        let Some(said) = reply(behaviour, &command, usual) else { return Ok(false) };
        talk.say(said)?;
        if !said.starts_with("354") {
            continue;
        }
        let mut data = String::new();
        while let Some(line) = talk.line()? {
            if line == "." {
                break;
            }
            if !shared.keeps_no_data {
                data.push_str(line.strip_prefix('.').unwrap_or(&line));
                data.push('\n');
            }
        }
        let Some(said) = reply(behaviour, ".", "250 2.0.0 ok: queued as 4Xyz") else { return Ok(false) };
        if said.starts_with('2') {
            let (from, to) = mail.clone();
            lock(&shared.accepted).push(Received { from, to, data, at: Instant::now() });
        }
        match behaviour {
            Behaviour::AcceptAndCut => return Ok(false),
            Behaviour::AcceptAndWait => {
                // Until the client leaves.
                while talk.line()?.is_some() {}
                return Ok(false);
            }
            _ => {}
        }
        talk.say(said)?;
    }
    Ok(false)
}
