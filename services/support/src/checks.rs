//! `levqor doctor`'s checks of the language model (whether its server takes our key), and of the storage of files.

use std::time::Duration;

use levqor_runtime::{
    check::{self, Check, Finding},
    client::{self, vendor_client},
    service::Service,
    storage::Place,
};
use secrecy::ExposeSecret;

use crate::{
    Support,
    config::{Config, model::ModelConfig},
};

/// The capability has the same name.
const AI: &str = "support.ai";
/// Where the files of mails are.
const STORAGE: &str = "support.storage";
/// Timeout of the check.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The checks that this configuration allows.
pub(crate) fn checks(config: &Config) -> Vec<Check> {
    let model = config.model.as_ref();
    vec![ai(model), Place::check(config.storage.clone(), STORAGE, Support::NAME)]
}

fn ai(model: Option<&ModelConfig>) -> Check {
    let Some(model) = model else {
        return Check::known(AI, Finding::not_set("OPENAI_API_KEY", "a key of the API at OPENAI_BASE_URL"));
    };
    let request = request(model);
    let name = model.name.as_str().to_owned();
    let asked = async move {
        let answer = match request {
            Ok(request) => client::send(request, "/models").await,
            Err(error) => Err(error),
        };
        match answer.map(|response| response.status().as_u16()) {
            Ok(200) => Finding::on(format!("200, the key is good; answers are asked of {name}")),
            Ok(401 | 403) => Finding::failed("the server refuses OPENAI_API_KEY"),
            Ok(404) => Finding::warning("404: the server lists no models, so the key could not be tested"),
            Ok(status) => Finding::failed(format!("the server answers {status}")),
            Err(error) => Finding::failed(check::clock::words(&error)),
        }
    };
    Check::new(AI, "GET /models", asked)
}

fn request(model: &ModelConfig) -> Result<reqwest::RequestBuilder, reqwest::Error> {
    let client = vendor_client(&model.base.server, TIMEOUT, false)?;
    Ok(client.get(format!("{}/models", model.base.url)).bearer_auth(model.key.expose_secret()))
}
