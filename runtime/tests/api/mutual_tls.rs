//! Certificates between the processes of the mesh: which processes may connect, under which name, and how certificates are
//! replaced.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use axum::{body::Body, response::Response};
use http::Request;
use levqor_proto::{
    mail::v1::mail_service_client::MailServiceClient,
    notifications::v1::{
        IngestResendEventRequest, IngestResendEventResponse, ListMessagesRequest,
        notifications_service_client::NotificationsServiceClient,
    },
};
use levqor_runtime::{
    client::{Address, Channels, Peer},
    config::{Env, Reader},
    metrics::{self, Format, Metrics},
    port::{self, Arrival, Handler, Limits},
    tasks::{Background, Tasks},
    testing::{
        Authority, Caller, CertificateFiles, Log, Signed, TestService, eventually, reason, refused, spawn,
    },
    tls::{Acceptor, MeshTls},
    tunnel::Tunnels,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::probe::{Probe, effects, send, start_with};

const NAME: &str = "notifications";

/// Starts the probe with these files.
async fn start(files: &CertificateFiles) -> TestService<Probe> {
    start_with(&files.settings().each_ref().map(|(name, path)| (*name, path.as_str()))).await
}

/// Channels of a process with these files to the probe, under this name.
fn channels(
    files: &CertificateFiles,
    from: &'static str,
    to: &str,
    address: SocketAddr,
    tasks: &Background,
) -> Channels {
    let live = files.read(from).expect("certificates").watched(tasks);
    let addresses = HashMap::from([(to.to_owned(), vec![Address::Fixed(address)])]);
    Channels::secured(&addresses, tasks, live.as_ref())
}

async fn list(peer: Peer, caller: &Caller) -> Result<(), Status> {
    let request = caller.request(ListMessagesRequest::default());
    NotificationsServiceClient::new(peer).list_messages(request).await.map(drop)
}

async fn ingest(tunnels: &Tunnels, caller: &Caller, name: &str) -> Result<String, Status> {
    let event = IngestResendEventRequest { svix_id: name.to_owned(), ..Default::default() };
    let answer: IngestResendEventResponse = tunnels.call(&caller.carried(), &event).await?;
    Ok(answer.event_id)
}

/// How many handshakes ended for this reason.
fn refusals(metrics: &Metrics, reason: &str) -> u64 {
    let page = metrics::render(std::slice::from_ref(metrics), Format::accepted("text/plain"));
    let is_it = |line: &&str| line.starts_with("levqor_tls_refusals_total") && line.contains(reason);
    let line = page.lines().find(is_it).expect("a series for each reason");
    line.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a count")
}

#[tokio::test]
async fn the_mesh_calls_itself_over_tls_by_separate_calls_by_streams_and_through_tunnels() {
    let authority = Authority::create();
    let (files, of_gateway) = (authority.files(NAME), authority.files("gateway"));
    let service = start(&files).await;
    let tasks = Background::default();
    let channels = channels(&of_gateway, "gateway", NAME, service.running.addr, &tasks);
    let peer = || channels.get(NAME).expect("a channel");
    list(peer(), &Caller::staff()).await.expect("the token of a person comes through the gateway");
    let mut states =
        HealthClient::new(peer()).watch(HealthCheckRequest::default()).await.expect("a stream").into_inner();
    assert!(states.message().await.expect("a message").is_some());
    let tunnels = Tunnels::new(&channels, NAME, &tasks).expect("tunnels");
    let gateway = Caller::service("gateway", NAME);
    assert_eq!(ingest(&tunnels, &gateway, "a").await.expect("an answer"), "a");
    // It also calls itself, with its own certificate.
    list(service.channel(), &Caller::staff()).await.expect("an answer");
    drop(states);
    tasks.stop();
    service.stop().await;
}

/// A channel of a client that trusts this authority, and shows this certificate or none.
fn stranger(authority: &Authority, shown: Option<&Signed>, address: SocketAddr) -> Peer {
    let trusted = Certificate::from_pem(authority.certificate());
    let tls = ClientTlsConfig::new().ca_certificate(trusted).domain_name("notifications.levqor.internal");
    let tls = match shown {
        Some(signed) => tls.identity(Identity::from_pem(&signed.certificate, &signed.key)),
        None => tls,
    };
    let endpoint = Endpoint::from_shared(format!("https://{address}")).expect("an address");
    Peer::new(endpoint.tls_config(tls).expect("certificates").connect_lazy())
}

#[tokio::test]
async fn a_client_without_a_valid_certificate_of_the_mesh_is_refused_counted_and_logged_once() {
    let (authority, other) = (Authority::create(), Authority::create());
    let files = authority.files(NAME);
    let service = start(&files).await;
    let (log, _hears) = Log::start(tracing::Level::WARN);
    let gateway = "gateway.levqor.internal";
    for (reason, shown) in [
        ("CERTIFICATE_MISSING", None),
        ("CERTIFICATE_EXPIRED", Some(authority.sign(&[gateway], 2020))),
        ("CERTIFICATE_FOREIGN", Some(other.certify("gateway"))),
        ("CERTIFICATE_NAME", Some(authority.sign(&["gateway.example"], 4000))),
        ("CERTIFICATE_NAME", Some(authority.sign(&[gateway, "billing.levqor.internal"], 4000))),
        ("CERTIFICATE_NAME", Some(authority.sign(&[gateway, "billing.LEVQOR.internal"], 4000))),
        ("CERTIFICATE_NAME", Some(authority.sign(&["*.levqor.internal"], 4000))),
    ] {
        let before = refusals(&service.running.chassis().metrics, reason);
        let peer = stranger(&authority, shown.as_ref(), service.running.addr);
        list(peer, &Caller::staff()).await.expect_err(reason);
        eventually("it is counted", || async {
            (refusals(&service.running.chassis().metrics, reason) > before).then_some(())
        })
        .await;
        let text = log.text();
        let lines = text.lines().filter(|line| line.contains("TLS handshake") && line.contains(reason));
        assert_eq!(lines.count(), 1, "{text}");
    }
    let mut plain = TcpStream::connect(service.running.addr).await.expect("a connection");
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
    // An alert, and the end.
    let _ = timeout(Duration::from_secs(10), plain.read_to_end(&mut Vec::new())).await.expect("closed");
    assert_eq!(refusals(&service.running.chassis().metrics, "NOT_TLS"), 1);
    // A client with a valid certificate can still connect.
    let gateway = stranger(&authority, Some(&authority.certify("gateway")), service.running.addr);
    list(gateway, &Caller::staff()).await.expect("an answer");
    service.stop().await;
}

#[tokio::test]
async fn a_token_is_good_only_on_a_connection_of_the_service_that_it_names_and_others_are_logged_once() {
    let authority = Authority::create();
    let files = authority.files(NAME);
    let service = start(&files).await;
    let tasks = Background::default();
    let of = ["gateway", "billing", "support", "product"].map(|name| authority.files(name));
    let channels = |n: usize, name| channels(&of[n], name, NAME, service.running.addr, &tasks);
    let (gateway, billing) = (channels(0, "gateway"), channels(1, "billing"));
    let (support, product) = (channels(2, "support"), channels(3, "product"));

    let (log, _hears) = Log::start(tracing::Level::INFO);
    let warnings = || {
        let text = log.text();
        let is_it =
            |line: &&str| line.contains("callers were refused") && line.contains("CERTIFICATE_MISMATCH");
        text.lines().filter(is_it).count()
    };
    let mail = |channels: &Channels| MailServiceClient::new(channels.get(NAME).expect("a channel"));
    let stolen = refused(mail(&support).send_message(send("stolen", "k")).await);
    assert_eq!((stolen.code(), reason(&stolen).as_str()), (Code::Unauthenticated, "CERTIFICATE_MISMATCH"));
    mail(&billing).send_message(send("own", "k")).await.expect("billing's token from billing");

    // The product calls only for itself. A service also passes on the calls of people.
    let staff = Caller::staff();
    assert_eq!(warnings(), 1, "{}", log.text());
    let asked = refused(list(product.get(NAME).expect("a channel"), &staff).await);
    assert_eq!(reason(&asked), "CERTIFICATE_MISMATCH");
    assert_eq!(warnings(), 1, "it is logged once a minute: {}", log.text());
    list(support.get(NAME).expect("a channel"), &staff).await.expect("an answer");

    // Each call in a tunnel has the certificate of the tunnel's connection.
    let tunnels = |channels: &Channels| Tunnels::new(channels, NAME, &tasks).expect("tunnels");
    let caller = Caller::service("gateway", NAME);
    let opened = refused(ingest(&tunnels(&billing), &caller, "stolen").await);
    assert_eq!(reason(&opened), "CERTIFICATE_MISMATCH");
    let tunnels = tunnels(&gateway);
    assert_eq!(ingest(&tunnels, &caller, "a").await.expect("an answer"), "a");
    let through = refused(ingest(&tunnels, &Caller::service("billing", NAME), "stolen").await);
    assert_eq!(reason(&through), "CERTIFICATE_MISMATCH");

    assert!(!effects(&service).await.iter().any(|effect| effect.contains("stolen")));
    let page = metrics::render(&[service.running.chassis().metrics.clone()], Format::accepted("text/plain"));
    let counted = |line: &str| line.contains("access_refusals") && line.contains("CERTIFICATE_MISMATCH");
    assert!(page.lines().find(|line| counted(line)).is_some_and(|line| line.ends_with(" 4")), "{page}");
    tasks.stop();
    service.stop().await;
}

#[tokio::test]
async fn a_caller_accepts_only_the_service_that_it_means() {
    let (authority, other) = (Authority::create(), Authority::create());
    let (files, of_gateway) = (authority.files(NAME), authority.files("gateway"));
    let service = start(&files).await;
    let tasks = Background::default();
    let address = service.running.addr;
    let as_billing = channels(&of_gateway, "gateway", "billing", address, &tasks);
    list(as_billing.get("billing").expect("a channel"), &Caller::staff())
        .await
        .expect_err("notifications is not billing");
    // This caller trusts another authority, although its own certificate is valid here.
    of_gateway.write(&authority.certify("gateway"), other.certificate());
    let trusting = channels(&of_gateway, "gateway", NAME, address, &tasks);
    list(trusting.get(NAME).expect("a channel"), &Caller::staff()).await.expect_err("a foreign certificate");
    eventually("both are counted", || async {
        (refusals(&service.running.chassis().metrics, "REFUSED_BY_CLIENT") >= 2).then_some(())
    })
    .await;
    tasks.stop();
    service.stop().await;
}

#[tokio::test]
async fn new_certificates_are_used_without_a_restart_at_both_ends_and_broken_ones_are_not() {
    let (old, new) = (Authority::create(), Authority::create());
    let (files, of_gateway) = (old.files(NAME), old.files("gateway"));
    let service = start(&files).await;
    let tasks = Background::default();
    // It has the old certificates, and does not connect yet.
    let gateway = channels(&of_gateway, "gateway", NAME, service.running.addr, &tasks);
    let tunnels = Tunnels::new(&gateway, NAME, &tasks).expect("tunnels");
    let (staff, caller) = (Caller::staff(), Caller::service("gateway", NAME));
    let of = |trusted, signer: &Authority| {
        stranger(trusted, Some(&signer.certify("gateway")), service.running.addr)
    };
    list(of(&old, &old), &staff).await.expect("an answer");

    // Each process trusts both authorities while the new one replaces the old one.
    files.write(&new.certify(NAME), &format!("{}{}", old.certificate(), new.certificate()));
    eventually("the service shows its new certificate and accepts both authorities", || async {
        list(of(&new, &new), &staff).await.ok()?;
        list(of(&new, &old), &staff).await.ok()
    })
    .await;
    of_gateway.write(&new.certify("gateway"), new.certificate());
    let last = new.certify(NAME);
    files.write(&last, new.certificate());
    eventually("the service does not accept the old authority any more", || async {
        list(of(&new, &old), &staff).await.err()
    })
    .await;
    let peer = || gateway.get(NAME).expect("a channel");
    eventually("the caller uses its new certificate", || async { list(peer(), &staff).await.ok() }).await;
    eventually("tunnels use it, too", || async { ingest(&tunnels, &caller, "a").await.ok() }).await;

    let (log, _hears) = Log::start(tracing::Level::WARN);
    let warnings = || log.text().matches("the new certificates cannot be used").count();
    files.write(&Signed { certificate: "no certificate".to_owned(), ..last }, new.certificate());
    eventually("the broken file is noticed", || async { (warnings() > 0).then_some(()) }).await;
    list(of(&new, &new), &staff).await.expect("the previous certificates stay in use");
    assert_eq!(warnings(), 1, "{}", log.text());
    tasks.stop();
    service.stop().await;
}

#[test]
fn a_process_does_not_start_with_unusable_certificates_or_without_certificates_on_a_network() {
    let problems = |settings: &[(&str, &str)], is_local| {
        let env = Env::from_pairs(settings.iter().copied());
        let mut reader = Reader::new(&env);
        let tls = MeshTls::read(&mut reader, NAME, is_local);
        reader.finish(tls).err().map(|problems| problems.to_string()).unwrap_or_default()
    };
    assert_eq!(problems(&[], true), "");
    assert_eq!(problems(&[("LEVQOR_MESH_TLS", "off")], false), "");
    let absent = problems(&[], false);
    assert!(absent.contains("LEVQOR_MESH_TLS_CERT: is not set"), "{absent}");
    assert!(absent.contains("LEVQOR_MESH_TLS=off"), "{absent}");
    for (settings, named) in [
        (&[("LEVQOR_MESH_TLS", "on")][..], "LEVQOR_MESH_TLS: expected `off`"),
        (&[("LEVQOR_MESH_TLS_CERT", "/none")], "LEVQOR_MESH_TLS_KEY: is not set"),
        (
            &[("LEVQOR_MESH_TLS_KEY", "/none"), ("LEVQOR_MESH_TLS_CA", "/none")],
            "LEVQOR_MESH_TLS_CERT: is not",
        ),
    ] {
        let reported = problems(settings, true);
        assert!(reported.contains(named), "{reported}");
    }
    let authority = Authority::create();
    let files = authority.files(NAME);
    let reported = |signed: Signed, authorities: &str| {
        files.write(&signed, authorities);
        files.read(NAME).err().map(|problems| problems.to_string()).unwrap_or_default()
    };
    let own = || authority.certify(NAME);
    assert_eq!(reported(own(), authority.certificate()), "");
    let key_of_another = Signed { key: own().key, ..own() };
    for (signed, authorities, named) in [
        (authority.certify("billing"), authority.certificate(), "LEVQOR_MESH_TLS_CERT: expected"),
        (Signed { certificate: String::new(), ..own() }, authority.certificate(), "LEVQOR_MESH_TLS_CERT:"),
        (Signed { key: String::new(), ..own() }, authority.certificate(), "LEVQOR_MESH_TLS_KEY:"),
        (key_of_another, authority.certificate(), "LEVQOR_MESH_TLS_KEY: expected the private key of"),
        (own(), "", "LEVQOR_MESH_TLS_CA:"),
    ] {
        let reported = reported(signed, authorities);
        assert!(reported.contains(named), "{named} is missing in {reported}");
    }
}

/// Answers with a greeting.
#[derive(Clone)]
struct Greeting(Acceptor);

impl Handler for Greeting {
    fn acceptor(&self) -> Option<&Acceptor> {
        Some(&self.0)
    }

    fn answer(&self, _: Request<Body>, _: Arrival) -> impl Future<Output = Response> + Send + use<> {
        async { Response::new(Body::from("hello")) }
    }
}

/// Starts a port with these limits. Returns its address and its metrics.
async fn greeting(limits: Limits) -> (SocketAddr, Metrics) {
    let live = Authority::create().files(NAME).read(NAME).expect("certificates").as_read();
    let (live, metrics) = (live.expect("certificates"), Metrics::new(NAME));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let handler = Greeting(Acceptor::mutual(live, &metrics));
    Tasks::default().spawn(port::serve(listener, limits, handler, CancellationToken::new()));
    (address, metrics)
}

#[tokio::test]
async fn a_client_that_is_silent_in_the_handshake_is_disconnected() {
    let limits = Limits { head: Duration::from_millis(100), ..Limits::internal() };
    let (address, metrics) = greeting(limits).await;
    let mut silent = TcpStream::connect(address).await.expect("a connection");
    let _ = timeout(Duration::from_secs(10), silent.read_to_end(&mut Vec::new())).await.expect("closed");
    assert_eq!(refusals(&metrics, "SLOW"), 1);
}

#[tokio::test]
async fn a_client_that_is_silent_in_the_handshake_makes_room_for_others() {
    // Its time limit is much longer than this test waits.
    let limits = Limits { connections: 1, head: Duration::from_mins(5), ..Limits::internal() };
    let (address, _metrics) = greeting(limits).await;
    let mut silent = TcpStream::connect(address).await.expect("a connection");
    let closed = spawn(async move { silent.read_to_end(&mut Vec::new()).await.is_ok() });
    eventually("it is closed to make room", || async {
        let _other = TcpStream::connect(address).await.expect("a connection");
        closed.is_finished().then_some(())
    })
    .await;
}
