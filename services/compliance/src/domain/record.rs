//! The parts of the record of processing activities that no table declares (GDPR, article 30).

use levqor_proto_compliance::v1::{Recipient, recipient};
use levqor_proto_runtime::v1::DeclaredRecipient;

/// Why a service processes personal data.
pub(crate) struct Purpose {
    pub(crate) service: &'static str,
    pub(crate) aim: &'static str,
    /// GDPR, article 6.
    pub(crate) legal_basis: &'static str,
    pub(crate) data_subjects: &'static str,
}

/// The purposes, service by service. A test fails on a service without one.
pub(crate) const PURPOSES: &[Purpose] = &[
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
pub(crate) const SECURITY_MEASURES: &[&str] = &[
    "Every call needs a signed token, and every service checks it. Customers reach only their own data.",
    "Reads of personal data by staff are recorded in an audit chain that shows any change.",
    "Copies of personal data are encrypted in the storage (the age format). Codes and links are stored as hashes.",
    "Logs, traces, metrics and error reports hold no personal data.",
    "Old data is erased every day, where its table declares a period.",
    "Erasures are recorded outside of the databases, as keyed hashes, so that a restored backup cannot undo them unseen.",
];

/// Where a recipient processes the data, and on which ground: no setting says it.
const TRANSFER: &str = "To be completed by the operator: the country, and the ground of the transfer (GDPR, chapter V), as the agreement with this company says.";

/// Adds the companies that one service declares. If two services declare the same company, the record has it once, with both services.
pub(crate) fn add_recipients(
    recipients: &mut Vec<Recipient>,
    service: &str,
    declared: Vec<DeclaredRecipient>,
) {
    for declared in declared {
        let further = entry(service, declared);
        let is_same = |known: &&mut Recipient| {
            Recipient { services: Vec::new(), ..(**known).clone() }
                == Recipient { services: Vec::new(), ..further.clone() }
        };
        match recipients.iter_mut().find(is_same) {
            Some(known) => known.services.extend(further.services),
            None => recipients.push(further),
        }
    }
}

/// Sorts them: those that are on come first, then by name.
pub(crate) fn sort_recipients(recipients: &mut [Recipient]) {
    recipients.sort_by(|one, other| (one.state, &one.name).cmp(&(other.state, &other.name)));
}

fn entry(service: &str, declared: DeclaredRecipient) -> Recipient {
    let state = if declared.active { recipient::State::Active } else { recipient::State::Off };
    Recipient {
        name: declared.name,
        purpose: declared.purpose,
        setting: declared.setting,
        transfer: TRANSFER.to_owned(),
        categories: declared.categories,
        services: vec![service.to_owned()],
        state: state.into(),
        host: declared.host,
    }
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
        assert_eq!(PURPOSES.iter().map(|it| it.service).collect::<Vec<_>>(), asked);
    }

    #[test]
    fn a_company_is_listed_once_with_its_services_and_active_ones_come_first() {
        let declared =
            |name: &str, active| DeclaredRecipient { name: name.to_owned(), active, ..Default::default() };
        let mut recipients = Vec::new();
        add_recipients(&mut recipients, "billing", vec![declared("Slack", false), declared("Sentry", true)]);
        add_recipients(&mut recipients, "support", vec![declared("Sentry", true), declared("Bucket", false)]);
        // It is on in one service, and off in another one.
        add_recipients(&mut recipients, "support", vec![declared("Slack", true)]);
        sort_recipients(&mut recipients);
        let shown = recipients.iter().map(|it| (it.name.as_str(), it.state(), it.services.join(" ")));
        let (on, off) = (recipient::State::Active, recipient::State::Off);
        let expected = [
            ("Sentry", on, "billing support".to_owned()),
            ("Slack", on, "support".to_owned()),
            ("Bucket", off, "support".to_owned()),
            ("Slack", off, "billing".to_owned()),
        ];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        assert!(recipients.iter().all(|it| it.transfer.starts_with("To be completed by the operator")));
    }
}
