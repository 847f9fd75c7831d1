//! The life of a message.

use super::*;

fn message(recipient: Option<&str>) -> Message {
    Message {
        id: MessageId::new_at(DateTime::UNIX_EPOCH),
        template: "order_welcome".to_owned(),
        about: "order:1".to_owned(),
        recipient: recipient.map(|text| text.parse().expect("an address")),
        recipient_hash: AddressHash::stored(&[0; 32]).expect("a hash"),
        class: Class::Transactional,
        category: "ORDERS".parse().expect("a category"),
        requested_by: "billing".to_owned(),
        guard: None,
        subject: "Welcome!".to_owned(),
        outcome: None,
        round: 1,
        create_time: DateTime::UNIX_EPOCH,
        delivery_outcome: None,
    }
}

fn body() -> Body {
    Body {
        sender: "Levqor <orders@levqor.ai>".to_owned(),
        reply_to: None,
        headers: Headers::default(),
        text: "t".to_owned(),
        html: "h".to_owned(),
    }
}

#[test]
fn a_message_ends_once() {
    let receipt = Receipt { provider: "mailbox".to_owned(), provider_message_id: "1".to_owned() };
    let sent = Outcome::Sent { receipt, send_time: DateTime::UNIX_EPOCH };
    let failed = Outcome::Failed { failure: "refused".to_owned() };

    let mut message = message(None);
    assert_eq!(message.state(), State::Pending);
    assert_eq!(message.settle(sent.clone()), Some(&sent));
    assert_eq!(message.state(), State::Sent);
    assert_eq!(message.settle(failed), None);
    assert_eq!(message.outcome, Some(sent));
}

fn doubt() -> Outcome {
    Outcome::InDoubt { doubt: "no answer".to_owned() }
}

#[test]
fn only_evidence_ends_a_doubt_without_a_person() {
    let receipt = Receipt { provider: "resend".to_owned(), provider_message_id: "1".to_owned() };
    let sent = Outcome::Sent { receipt, send_time: DateTime::UNIX_EPOCH };
    let mut message = message(None);
    assert!(message.settle(doubt()).is_some());
    assert_eq!(message.state(), State::InDoubt);
    assert_eq!(message.settle(Outcome::Failed { failure: "refused".to_owned() }), None);
    assert_eq!(message.settle(doubt()), None);
    assert_eq!(message.settle(sent.clone()), Some(&sent));
    assert_eq!(message.settle(doubt()), None);
}

#[test]
fn a_person_can_resolve_only_a_message_in_doubt() {
    let id = || "em_1".parse().expect("an id");
    for (resolution, state, round) in [
        (Resolution::Sent(id()), State::Sent, 1),
        (Resolution::SendAgain, State::Pending, 2),
        (Resolution::Abandoned, State::Failed, 1),
    ] {
        let resolve = |message: &mut Message| {
            message.resolve(resolution.clone(), "resend".to_owned(), DateTime::UNIX_EPOCH).is_ok()
        };
        let mut message = message(None);
        assert!(!resolve(&mut message), "it is pending");
        message.settle(doubt());
        assert!(resolve(&mut message));
        assert_eq!((message.state(), message.round), (state, round));
        assert!(!resolve(&mut message), "it was resolved");
    }
}

#[test]
fn only_a_message_that_was_given_up_is_retried() {
    let failed = || Some(Outcome::Failed { failure: "given up".to_owned() });
    let mut message = Message { outcome: failed(), ..message(Some("ada@example.com")) };
    assert!(message.take_up_again(&[]));
    assert_eq!(message.state(), State::Pending);
    assert!(!message.take_up_again(&[]), "it is pending");
    let mut erased = Message { outcome: failed(), recipient: None, ..message };
    assert!(!erased.take_up_again(&[]), "there is nobody to send it to");
}

#[test]
fn an_unsent_message_is_resent_in_a_new_round_and_a_sent_one_as_a_copy() {
    let not_sent = [
        Outcome::Failed { failure: "refused".to_owned() },
        Outcome::Suppressed { reason: SuppressionReason::HardBounce },
        Outcome::Cancelled { reason: "INVOICE_PAID".to_owned() },
    ];
    for outcome in not_sent {
        let mut message = Message { outcome: Some(outcome), ..message(Some("ada@example.com")) };
        assert_eq!(message.resend().ok(), Some(Resend::NewRound));
        assert_eq!((message.state(), message.round), (State::Pending, 2));
        assert!(matches!(message.resend(), Err(NotResendable::NotSettled)), "it is pending");
        message.settle(doubt());
        assert!(matches!(message.resend(), Err(NotResendable::NotSettled)), "it may have been sent");
    }
    let receipt = Receipt { provider: "resend".to_owned(), provider_message_id: "1".to_owned() };
    let sent = Outcome::Sent { receipt, send_time: DateTime::UNIX_EPOCH };
    let mut message = Message { outcome: Some(sent.clone()), ..message(Some("ada@example.com")) };
    assert_eq!(message.resend().ok(), Some(Resend::Copy));
    assert_eq!((message.outcome, message.round), (Some(sent.clone()), 1));
    for outcome in [sent, Outcome::Failed { failure: "refused".to_owned() }] {
        let mut erased = self::message(None);
        erased.outcome = Some(outcome);
        assert!(matches!(erased.resend(), Err(NotResendable::Erased(_))));
    }
}

#[test]
fn each_round_has_a_key_of_its_own() {
    let mut message = message(None);
    let id = message.id.to_string();
    assert_eq!(message.idempotency_key(), id);
    message.round = 2;
    assert_eq!(message.idempotency_key(), format!("{id}/2"));
}

#[test]
fn a_message_to_an_erased_person_is_no_mail() {
    assert!(message(Some("ada@example.com")).to_mail(body()).is_ok());
    assert!(message(None).to_mail(body()).is_err());
}
