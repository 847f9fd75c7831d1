//! The parts of the record of processing activities that no table declares (GDPR, article 30).

use levqor_proto_compliance::v1::Recipient;

/// Why a service processes personal data.
pub(crate) struct Purpose {
    pub(crate) service: &'static str,
    pub(crate) aim: &'static str,
    /// GDPR, article 6.
    pub(crate) legal_basis: &'static str,
    pub(crate) data_subjects: &'static str,
}

/// The purposes, service by service. A test fails on a service without one.
pub(crate) const PURPOSES: [Purpose; 4] = [
    Purpose {
        service: "billing",
        aim: "Sell and deliver orders and subscriptions, take and refund payments, keep the accounts.",
        legal_basis: "Contract (article 6(1)(b)); legal obligation to keep accounts (article 6(1)(c)).",
        data_subjects: "Customers, with and without an account.",
    },
    Purpose {
        service: "compliance",
        aim: "Answer requests and complaints of people about their personal data, prove what they agreed to and object to, and screen texts for high-risk data.",
        legal_basis: "Legal obligation (article 6(1)(c), with articles 5(2), 7(1) and 12 to 22, and the Data Protection Act 2018, section 164A).",
        data_subjects: "Everybody who asks for their data or its erasure, or complains about its use; customers and visitors who agree or object to something.",
    },
    Purpose {
        service: "notifications",
        aim: "Send mails about orders, payments and tickets; send advertising to those who agreed to it.",
        legal_basis: "Contract (article 6(1)(b)); consent to advertising (article 6(1)(a)).",
        data_subjects: "Customers, newsletter subscribers, and people who write to support.",
    },
    Purpose {
        service: "support",
        aim: "Answer questions, complaints and requests for an offer.",
        legal_basis: "Contract (article 6(1)(b)); legitimate interest in answering who asks (article 6(1)(f)).",
        data_subjects: "Customers, visitors of the website who chat or send a form, and people who write mails.",
    },
];

/// How the data is protected (GDPR, article 32).
pub(crate) const SECURITY_MEASURES: [&str; 6] = [
    "Every call needs a signed token, and every service checks it. Customers reach only their own data.",
    "Reads of personal data by staff are recorded in an audit chain that shows any change.",
    "Copies of personal data are encrypted in the storage (the age format). Codes and links are stored as hashes.",
    "Logs, traces, metrics and error reports hold no personal data.",
    "Old data is erased every day, where its table declares a period.",
    "Erasures are recorded outside of the databases, as keyed hashes, so that a restored backup cannot undo them unseen.",
];

/// The companies that may receive personal data, each with the setting without which it gets nothing. All of them are listed: compliance
/// does not know the settings of the other services.
const RECIPIENTS: [[&str; 4]; 7] = [
    [
        "Stripe",
        "Payments: name, mail address, address and means of payment of who pays.",
        "STRIPE_SECRET_KEY",
        STRIPE,
    ],
    [
        "Resend",
        "Sending and receiving mails: address, name and text of each mail.",
        "RESEND_API_KEY",
        PROVIDER,
    ],
    [
        "The provider of the SMTP server",
        "Sending mails: address, name and text of each mail.",
        "SMTP_URL",
        PROVIDER,
    ],
    [
        "The provider of the language model",
        "Questions in the chat, after mail addresses, numbers and names were masked.",
        "OPENAI_API_KEY",
        PROVIDER,
    ],
    [
        "The provider of the bucket",
        "Files of orders and tickets; encrypted copies of personal data.",
        "LEVQOR_STORAGE_S3_BUCKET",
        PROVIDER,
    ],
    ["Google (Drive)", "Encrypted copies of personal data.", "LEVQOR_STORAGE_DRIVE_CLIENT_ID", PROVIDER],
    ["The host of the databases", "All data of the services.", "LEVQOR_DATABASE_URL", PROVIDER],
];

const STRIPE: &str = "Ireland and the USA; the agreement with Stripe says which ground applies.";
const PROVIDER: &str = "Where the operator's agreement with the provider says; it also names the ground.";

/// The recipients.
pub(crate) fn recipients() -> Vec<Recipient> {
    let recipient = |[name, purpose, setting, transfer]: [&str; 4]| Recipient {
        name: name.to_owned(),
        purpose: purpose.to_owned(),
        setting: setting.to_owned(),
        transfer: transfer.to_owned(),
    };
    RECIPIENTS.map(recipient).to_vec()
}

#[cfg(test)]
mod tests {
    use levqor_runtime::service::Service as _;

    use super::*;
    use crate::Compliance;

    #[test]
    fn every_service_that_holds_personal_data_has_a_purpose() {
        let mut asked: Vec<_> = Compliance::ASKS.iter().copied().chain([Compliance::NAME]).collect();
        asked.sort_unstable();
        assert_eq!(PURPOSES.map(|it| it.service).to_vec(), asked);
    }
}
