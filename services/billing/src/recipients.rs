//! The companies that may receive personal data from billing.

use levqor_runtime::{service::Recipient, storage::Place};

use crate::config::Config;

/// The companies, those that are off included.
pub(crate) fn recipients(config: &Config) -> Vec<Recipient> {
    let stripe = Recipient::new(
        "Stripe",
        "Takes and refunds payments, and keeps subscriptions.",
        &["EMAIL", "NAME", "PAYMENT", "IDENTIFIER"],
        "STRIPE_SECRET_KEY",
    );
    vec![
        stripe.at(config.secret_key.as_ref().map(|_| config.api_base.host())),
        Place::recipient(config.storage.as_ref(), "Keeps the files of orders."),
    ]
}

#[cfg(test)]
mod tests {
    use levqor_runtime::config::{Env, Reader};

    use super::*;
    use crate::config;

    fn active(settings: &[(&str, &str)]) -> Vec<&'static str> {
        let required = ("STRIPE_WEBHOOK_SECRET", "whsec_1");
        let env = Env::from_pairs(settings.iter().copied().chain([required]));
        let config = config::read(&mut Reader::new(&env)).expect("a configuration");
        recipients(&config).into_iter().filter(|it| it.is_active).map(|it| it.name).collect()
    }

    #[test]
    fn stripe_and_the_bucket_follow_the_settings() {
        assert!(active(&[]).is_empty());
        assert_eq!(active(&[("STRIPE_SECRET_KEY", "sk_test_1")]), ["Stripe"]);
        assert!(active(&[("LEVQOR_STORAGE_DIR", "/var/lib/levqor")]).is_empty());
        let bucket = [
            ("LEVQOR_STORAGE_S3_BUCKET", "files"),
            ("LEVQOR_STORAGE_S3_ACCESS_KEY_ID", "id"),
            ("LEVQOR_STORAGE_S3_SECRET_ACCESS_KEY", "key"),
        ];
        assert_eq!(active(&bucket), ["The provider of the bucket"]);
    }
}
