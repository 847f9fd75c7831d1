//! The proxy treats connections as the test has set it.

use std::time::Instant;

use tokio::time::timeout;

use super::*;

/// How long the expected data may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a test waits to see that nothing arrives.
const LONG: Duration = Duration::from_secs(1);
const SAID: &str = "ping";
const DELAY: Duration = Duration::from_millis(100);

/// A line to a server that sends back each byte that it receives.
struct Echo {
    proxy: Proxy,
    near: End,
}

impl Echo {
    fn over(near: End, far: End) -> Self {
        let listener = Listener::bind(&far).expect("the far end");
        drop(spawn(async move {
            while let Ok(side) = listener.accept().await {
                drop(spawn(async move {
                    let (mut hears, mut says) = tokio::io::split(side);
                    tokio::io::copy(&mut hears, &mut says).await
                }));
            }
        }));
        Self { proxy: Proxy::start(near.clone(), vec![far]), near }
    }

    async fn connect(&self) -> Box<dyn Side> {
        connect(&self.near).await.expect("a connection")
    }
}

/// The bytes that the server sends back.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// Everything that was sent.
    All,
    /// These bytes, and then the connection ended or was reset.
    Part(String),
    /// Nothing arrived in time.
    Nothing,
}

/// Sends a message.
async fn say(side: &mut Box<dyn Side>) {
    side.write_all(SAID.as_bytes()).await.expect("said");
}

/// The bytes that the server sends back.
async fn hear(side: &mut Box<dyn Side>, patience: Duration) -> Heard {
    let (mut heard, mut piece) = (String::new(), [0; SAID.len()]);
    while heard != SAID {
        match timeout(patience, side.read(&mut piece)).await {
            Err(_) => return Heard::Nothing,
            Ok(Ok(0) | Err(_)) => return Heard::Part(heard),
            Ok(Ok(length)) => heard.push_str(std::str::from_utf8(&piece[..length]).expect("text")),
        }
    }
    Heard::All
}

async fn each_setting_of_the_line_has_its_effect(echo: &Echo) {
    let line = |line| echo.proxy.set(line);
    let mut old = echo.connect().await;
    say(&mut old).await;
    assert_eq!(hear(&mut old, TIMEOUT).await, Heard::All);

    line(Line::Cut);
    assert_eq!(hear(&mut old, TIMEOUT).await, Heard::Part(String::new()));
    testing::eventually("connections are refused", || async {
        connect(&echo.near).await.is_err().then_some(())
    })
    .await;
    line(Line::Whole);
    let again = || async { connect(&echo.near).await.ok() };
    let mut new = testing::eventually("connections are taken", again).await;
    say(&mut new).await;
    assert_eq!(hear(&mut new, TIMEOUT).await, Heard::All);

    line(Line::Stalled);
    say(&mut new).await;
    assert_eq!(hear(&mut new, LONG).await, Heard::Nothing);
    line(Line::Whole);
    assert_eq!(hear(&mut new, TIMEOUT).await, Heard::All, "what was sent comes");

    line(Line::Vanished);
    say(&mut new).await;
    assert_eq!(hear(&mut new, LONG).await, Heard::Nothing);
    line(Line::Whole);
    say(&mut new).await;
    assert_eq!(hear(&mut new, LONG).await, Heard::Nothing, "it stays dead");
    let mut new = echo.connect().await;
    say(&mut new).await;
    assert_eq!(hear(&mut new, TIMEOUT).await, Heard::All);

    line(Line::Slow(DELAY));
    let begun = Instant::now();
    say(&mut new).await;
    assert_eq!(hear(&mut new, TIMEOUT).await, Heard::All);
    assert!(begun.elapsed() >= 2 * DELAY, "{:?}", begun.elapsed());

    line(Line::Breaking);
    say(&mut new).await;
    assert_eq!(hear(&mut new, TIMEOUT).await, Heard::Part("pi".to_owned()));
}

#[tokio::test]
async fn lines_of_ports() {
    let port = || End::Tcp(testing::process::free_port());
    each_setting_of_the_line_has_its_effect(&Echo::over(port(), port())).await;
}

#[tokio::test]
async fn lines_of_sockets() {
    let folder = PathBuf::from(format!("/tmp/levqor-line-{}", levqor_runtime::id::request_id()));
    std::fs::create_dir(&folder).expect("a folder");
    let end = |name: &str| End::Unix(folder.join(name));
    each_setting_of_the_line_has_its_effect(&Echo::over(end("near"), end("far"))).await;
    std::fs::remove_dir_all(&folder).expect("removed");
}
