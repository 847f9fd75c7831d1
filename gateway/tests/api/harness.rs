//! Starts a gateway for a test, and sends requests to it.

use std::{path::Path, sync::LazyLock};

use http::{HeaderMap, Method, StatusCode};
use levqor_gateway::{Config, Running};
use levqor_runtime::{
    access::Methods,
    client::{Address, Addresses, http_client},
    clock::Clock,
    config::{Env, Reader},
    context::{Role, User},
    telemetry::{self, TelemetryConfig, TelemetryGuard},
    testing::JWT_SECRET,
    token::{MeshKeys, ServiceTokens, sign_with_secret},
};
use prost_reflect::DescriptorPool;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::upstream::Upstream;

/// The key that signs the tokens of services in these tests.
const MESH_KEY: &str = "a mesh key of the gateway's tests that is long enough";

/// The real protos, and the shop's.
pub(crate) static METHODS: LazyLock<Methods> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler =
        protox::Compiler::new([root.join("tests/proto"), root.join("../proto")]).expect("folders");
    compiler.include_imports(true);
    for file in ["levqor/shop/v1/shop_service.proto", "levqor/billing/v1/billing_service.proto"] {
        compiler.open_file(file).expect(file);
    }
    for file in [
        "levqor/notifications/v1/notifications_service.proto",
        "levqor/runtime/v1/status_service.proto",
        "levqor/support/v1/incident_service.proto",
        "levqor/type/v1/http_body_head.proto",
    ] {
        compiler.open_file(file).expect(file);
    }
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("descriptors");
    Methods::read(pool)
});

static TELEMETRY: LazyLock<TelemetryGuard> = LazyLock::new(|| {
    let env = Env::from_pairs([("LEVQOR_LOG", "off")]);
    telemetry::init(&TelemetryConfig::read(&mut Reader::new(&env)).expect("telemetry"), "gateway")
});

pub(crate) struct Mesh {
    pub(crate) gateway: Running,
    pub(crate) upstream: Upstream,
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
}

/// A gateway, and one fake service that answers as every service.
pub(crate) async fn mesh() -> Mesh {
    mesh_with(|_| {}).await
}

pub(crate) async fn mesh_with(change: impl FnOnce(&mut Config)) -> Mesh {
    LazyLock::force(&TELEMETRY);
    let upstream = Upstream::start(METHODS.pool().clone()).await;
    let mut config = config();
    // The settings name services that these protos do not have.
    config.addresses.0.clear();
    for service in METHODS.services() {
        config.addresses.0.insert(service.clone(), vec![Address::Fixed(upstream.addr)]);
    }
    change(&mut config);
    let gateway =
        levqor_gateway::start(config, &METHODS, Clock::default()).await.expect("the gateway starts");
    let url = format!("http://{}", gateway.addr());
    Mesh { gateway, upstream, url, client: http_client().expect("a client") }
}

pub(crate) fn config() -> Config {
    let mut env = Env::from_pairs([
        ("LEVQOR_HTTP_ADDR", "127.0.0.1:0"),
        ("LEVQOR_JWT_SECRET", JWT_SECRET),
        ("LEVQOR_MESH_KEY", MESH_KEY),
    ]);
    for setting in Addresses::settings(levqor_gateway::methods().services()) {
        env.set_default(&setting.name, "127.0.0.1:1");
    }
    let mut reader = Reader::new(&env);
    let config = Config::read(&mut reader);
    reader.finish(config).expect("the settings hold")
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {:?}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }

    /// The fields that a problem names.
    pub(crate) fn fields(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().expect("a field").to_owned()).collect()
    }
}

impl Mesh {
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        send(request.body(body.to_owned())).await
    }
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, text: response.text().await.expect("a body") }
}

/// A token of a person with this role.
pub(crate) fn token(role: Role) -> String {
    token_for(role, 300)
}

pub(crate) fn token_for(role: Role, life_s: i64) -> String {
    let user = User { sub: "alice".to_owned(), email: None, email_verified: false, role };
    let expires = Clock::default().now().timestamp() + life_s;
    let secret = SecretString::from(JWT_SECRET.to_owned());
    let token = sign_with_secret(&secret, &user, "https://levqor.ai", "levqor", expires).expect("a token");
    token.expose_secret().to_owned()
}

/// The mesh's own tokens.
pub(crate) fn service_tokens() -> ServiceTokens {
    let env = Env::from_pairs([("LEVQOR_MESH_KEY", MESH_KEY)]);
    let keys = MeshKeys::read(&mut Reader::new(&env)).expect("a key");
    ServiceTokens::new(&keys, Clock::default())
}
