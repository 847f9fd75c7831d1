//! HTTPS at the gateway's own port.

use levqor_runtime::{
    config::{Env, Reader},
    metrics::{self, Format},
    testing::{Authority, CertificateFiles},
    tls::PublicTls,
};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::harness::mesh_with;

fn tls(files: &CertificateFiles) -> PublicTls {
    let [(_, certificate), (_, key), _] = files.settings();
    let env = Env::from_pairs([("LEVQOR_TLS_CERT", certificate), ("LEVQOR_TLS_KEY", key)]);
    let mut reader = Reader::new(&env);
    let tls = PublicTls::read(&mut reader);
    reader.finish(tls).expect("a certificate")
}

#[tokio::test]
async fn with_a_certificate_the_port_takes_https_and_no_plain_http() {
    let authority = Authority::create();
    let files = authority.files("gateway");
    files.write(&authority.sign(&["api.levqor.example"], 4000), authority.certificate());
    let mesh = mesh_with(|config| config.tls = tls(&files)).await;
    let address = mesh.gateway.addr();
    let trusted = Certificate::from_pem(authority.certificate());
    let client = ClientTlsConfig::new().ca_certificate(trusted).domain_name("api.levqor.example");
    let endpoint = Endpoint::from_shared(format!("https://{address}")).expect("an address");
    let mut channel =
        endpoint.tls_config(client).expect("certificates").connect().await.expect("HTTP/2 by its name");
    let request = http::Request::get(format!("https://{address}/health/live"));
    tower::ServiceExt::ready(&mut channel).await.expect("ready");
    let request = request.body(tonic::body::Body::empty()).expect("a request");
    assert_eq!(tower::Service::call(&mut channel, request).await.expect("an answer").status(), 200);

    mesh.client.get(format!("http://{address}/health/live")).send().await.expect_err("plain HTTP");
    let page = metrics::render(&[mesh.gateway.metrics().clone()], Format::accepted("text/plain"));
    let refused =
        page.lines().find(|line| line.contains("tls_refusals_total") && line.contains("\"NOT_TLS\""));
    assert!(refused.is_some_and(|line| !line.ends_with(" 0")), "{page}");
    assert!(page.contains("url_scheme=\"https\""), "{page}");
    let expiry = "levqor_tls_certificate_expiry_timestamp_seconds{";
    let shown = page.lines().find(|line| line.starts_with(expiry)).expect("until when it is valid");
    assert!(shown.contains("certificate=\"public\"") && shown.ends_with(" 64060588800"), "{shown}");
}
