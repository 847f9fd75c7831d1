//! The companies that may receive personal data from support.

use levqor_runtime::{service::Recipient, storage::Place};

use crate::config::Config;

/// The companies, those that are off included.
pub(crate) fn recipients(config: &Config) -> Vec<Recipient> {
    let model = Recipient::new(
        "The provider of the language model",
        "Writes answers to questions in the chat, in which mail addresses, numbers and names are masked first.",
        &["MESSAGE"],
        "OPENAI_API_KEY",
    );
    let host = config.model.as_ref().map(|model| model.base.server.host());
    vec![model.at(host), Place::recipient(config.storage.as_ref(), "Keeps the files of tickets.")]
}

#[cfg(test)]
mod tests {
    use levqor_runtime::config::{Env, Reader};

    use super::*;

    fn model(settings: &[(&str, &str)]) -> Recipient {
        let env = Env::from_pairs(settings.iter().copied());
        let config = Config::read(&mut Reader::new(&env)).expect("a configuration");
        recipients(&config).into_iter().find(|it| it.setting == "OPENAI_API_KEY").expect("a recipient")
    }

    #[test]
    fn the_language_model_is_named_by_its_host_if_it_has_a_key() {
        let off = model(&[("OPENAI_BASE_URL", "https://llm.example.com/v1")]);
        assert_eq!((off.is_active, off.host), (false, None));
        let on = model(&[("OPENAI_BASE_URL", "https://llm.example.com/v1"), ("OPENAI_API_KEY", "k")]);
        assert_eq!((on.is_active, on.host.as_deref()), (true, Some("llm.example.com")));
    }
}
