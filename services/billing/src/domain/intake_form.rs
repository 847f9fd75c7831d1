//! The intake form of "done for you" work: what staff have to know before they begin. The questions are data; each tier adds its
//! own to those of all tiers.

use std::collections::BTreeMap;

use levqor_proto_billing::v1 as wire;
use levqor_runtime::{
    error::{Invalid, Violations},
    wire_enum,
};

use super::order::Tier;

wire_enum! {
    /// The kind of an answer.
    pub(crate) enum Kind: wire::order_intake::question::Kind {
        /// Text.
        Text = "TEXT",
        /// One of the question's choices.
        Choice = "CHOICE",
        /// An http(s) link.
        Url = "URL",
        /// A whole number, 0 or more.
        Number = "NUMBER",
    }
}

/// A question of the form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) id: &'static str,
    pub(crate) text: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// The possible answers of a choice.
    pub(crate) choices: &'static [&'static str],
    pub(crate) max_characters: usize,
}

/// The answers of one form, by the id of their question.
pub(crate) type Answers = BTreeMap<String, String>;

const fn question(id: &'static str, text: &'static str, kind: Kind, max_characters: usize) -> Question {
    Question { id, text, kind, required: true, choices: &[], max_characters }
}

const fn text(id: &'static str, text: &'static str, max_characters: usize) -> Question {
    question(id, text, Kind::Text, max_characters)
}

const fn choice(id: &'static str, text: &'static str, choices: &'static [&'static str]) -> Question {
    Question { choices, ..question(id, text, Kind::Choice, 200) }
}

const fn optional(question: Question) -> Question {
    Question { required: false, ..question }
}

const WORK: Question = text(
    "work",
    "Which work should we take off your hands? Describe what you do by hand today, step by step.",
    5000,
);
const GOAL: Question = text("goal", "How will you notice that the automation does its job well?", 2000);
const TRIGGER: Question = choice(
    "trigger",
    "What should start the automation?",
    &[
        "A new mail",
        "A form on a website",
        "A time of the day or week",
        "A change in another tool",
        "Something else",
    ],
);
const RUNS: Question =
    optional(question("runs_per_day", "How often a day does this work come up?", Kind::Number, 9));
const ACCOUNTS: Question = text(
    "accounts",
    "Which accounts of these tools do you have, and who can invite us to them? Please leave passwords and access keys out.",
    2000,
);
const EXAMPLE: Question = optional(question(
    "example_url",
    "Is there an example that we can look at, such as a sheet, a page or a recording? Paste its link.",
    Kind::Url,
    2000,
));
const CONTACT_HOURS: Question = choice(
    "contact_hours",
    "When can we reach you for questions? All times are in London.",
    &["Weekday mornings", "Weekday afternoons", "Weekday evenings", "By mail only"],
);
const NOTES: Question = optional(text("notes", "What else should we know?", 5000));
const ON_FAILURE: Question = choice(
    "on_failure",
    "What should happen if a step fails?",
    &["Try again and tell me if it still fails", "Stop and tell me at once", "Skip the step and go on"],
);
const ORDER_OF_WORK: Question = text(
    "order_of_work",
    "Which of your workflows is the most important, which comes next, and which can wait?",
    2000,
);
const REPORT: Question = text("report", "What should the dashboard show, and who reads it?", 2000);
const PEOPLE: Question =
    text("people", "Which teams work with the automations, and who decides about changes?", 2000);
const PERSONAL_DATA: Question = choice(
    "personal_data",
    "Do the workflows handle personal data of your customers or staff?",
    &["No", "Names and contact details", "More than names and contact details"],
);

const STARTER: &[Question] = &[
    WORK,
    GOAL,
    TRIGGER,
    text("tools", "Which tools take part, such as your mail, calendar, sheets or shop? Name up to 3.", 1000),
    ACCOUNTS,
    RUNS,
    EXAMPLE,
    CONTACT_HOURS,
    NOTES,
];
const PROFESSIONAL: &[Question] = &[
    WORK,
    ORDER_OF_WORK,
    GOAL,
    TRIGGER,
    text("tools", "Which tools take part, such as your mail, calendar, sheets or shop? Name up to 6.", 1000),
    ACCOUNTS,
    ON_FAILURE,
    REPORT,
    RUNS,
    EXAMPLE,
    CONTACT_HOURS,
    NOTES,
];
const ENTERPRISE: &[Question] = &[
    WORK,
    ORDER_OF_WORK,
    GOAL,
    TRIGGER,
    text("tools", "Which tools take part, such as your mail, calendar, sheets or shop?", 2000),
    ACCOUNTS,
    ON_FAILURE,
    REPORT,
    PEOPLE,
    PERSONAL_DATA,
    RUNS,
    EXAMPLE,
    CONTACT_HOURS,
    NOTES,
];

/// The questions of a tier, in their order.
pub(crate) const fn questions(tier: Tier) -> &'static [Question] {
    match tier {
        Tier::Starter => STARTER,
        Tier::Professional => PROFESSIONAL,
        Tier::Enterprise => ENTERPRISE,
    }
}

/// Changes a draft. An empty answer is removed. Nothing changes if one answer is not valid; the error names every such answer.
pub(crate) fn change(
    tier: Tier,
    draft: &mut Answers,
    changes: impl IntoIterator<Item = (String, String)>,
) -> Result<(), Invalid> {
    let (mut violations, mut next_draft) = (Violations::new(), draft.clone());
    for (id, answer) in changes {
        // The id is the caller's text, so the violation does not repeat it.
        let Some(question) = questions(tier).iter().find(|question| question.id == id) else {
            violations.add("answers", "expected ids of the form's questions");
            continue;
        };
        let answer = answer.trim();
        if answer.is_empty() {
            next_draft.remove(question.id);
        } else if let Some(expected) = question.objection(answer) {
            violations.add(&question.field(), expected);
        } else {
            next_draft.insert(question.id.to_owned(), answer.to_owned());
        }
    }
    *draft = violations.finish(Some(next_draft))?;
    Ok(())
}

/// Whether a draft answers every required question. The error names every question without an answer.
pub(crate) fn check_complete(tier: Tier, draft: &Answers) -> Result<(), Invalid> {
    let mut violations = Violations::new();
    for question in questions(tier).iter().filter(|question| question.required) {
        if !draft.contains_key(question.id) {
            violations.add(&question.field(), "expected an answer");
        }
    }
    violations.finish(Some(()))
}

impl Question {
    /// The answer's field in requests.
    fn field(&self) -> String {
        format!("answers.{}", self.id)
    }

    /// The expected answer in words, if this one is not valid.
    fn objection(&self, answer: &str) -> Option<String> {
        let is_valid = match self.kind {
            Kind::Text => true,
            Kind::Choice => self.choices.contains(&answer),
            Kind::Url => is_link(answer),
            Kind::Number => answer.bytes().all(|byte| byte.is_ascii_digit()),
        };
        if answer.chars().count() > self.max_characters {
            return Some(format!("expected at most {} characters", self.max_characters));
        }
        let expected = match self.kind {
            Kind::Text => "text".to_owned(),
            Kind::Choice => format!("one of: {}", self.choices.join("; ")),
            Kind::Url => "an http(s) link".to_owned(),
            Kind::Number => "a whole number, 0 or more".to_owned(),
        };
        (!is_valid).then(|| format!("expected {expected}"))
    }
}

fn is_link(text: &str) -> bool {
    let uri = text.parse::<http::Uri>().ok();
    uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(result: Result<(), Invalid>) -> Vec<String> {
        result.err().into_iter().flat_map(|invalid| invalid.0).map(|violation| violation.field).collect()
    }

    fn answers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(id, answer)| ((*id).to_owned(), (*answer).to_owned())).collect()
    }

    #[test]
    fn every_form_can_be_answered_and_larger_tiers_ask_more() {
        for tier in Tier::ALL {
            let ids: std::collections::BTreeSet<_> = questions(tier).iter().map(|q| q.id).collect();
            assert_eq!(ids.len(), questions(tier).len(), "{tier:?} asks something twice");
            for question in questions(tier) {
                assert_eq!(question.kind == Kind::Choice, !question.choices.is_empty(), "{}", question.id);
                assert!(question.choices.iter().all(|choice| question.objection(choice).is_none()));
            }
        }
        let [starter, professional, enterprise] = Tier::ALL.map(|tier| questions(tier).len());
        assert!(starter < professional && professional < enterprise);
    }

    #[test]
    fn each_kind_takes_its_answers_and_no_others() {
        for (id, good, bad) in [
            ("trigger", "A new mail", "a new mail"),
            ("example_url", "https://example.com/a?b=c", "example.com"),
            ("example_url", "http://example.com", "javascript:alert(1)"),
            ("runs_per_day", "0", "-1"),
            ("runs_per_day", "12", "a dozen"),
            ("runs_per_day", "999999999", "1000000000"),
        ] {
            let mut draft = Answers::new();
            assert!(change(Tier::Starter, &mut draft, answers(&[(id, good)])).is_ok(), "{id}: {good}");
            assert_eq!(
                fields(change(Tier::Starter, &mut draft, answers(&[(id, bad)]))),
                [format!("answers.{id}")]
            );
            assert_eq!(draft[id], good, "what is refused changes nothing");
        }
    }

    #[test]
    fn every_violation_is_named_at_once_and_nothing_is_saved() {
        let mut draft = Answers::new();
        let long = "a".repeat(5001);
        let wrong =
            answers(&[("goal", "Less work"), ("runs_per_day", "x"), ("work", &long), ("nonsense", "x")]);
        let named = fields(change(Tier::Starter, &mut draft, wrong));
        assert_eq!(named, ["answers.runs_per_day", "answers.work", "answers"]);
        assert!(draft.is_empty());
        assert_eq!(fields(change(Tier::Starter, &mut draft, answers(&[("people", "x")]))), ["answers"]);
    }

    #[test]
    fn a_form_is_complete_once_every_required_question_has_an_answer() {
        let mut draft = Answers::new();
        for tier in Tier::ALL {
            let required = questions(tier).iter().filter(|question| question.required);
            let required: Vec<_> = required.map(Question::field).collect();
            assert_eq!(fields(check_complete(tier, &Answers::new())), required);
        }
        for question in questions(Tier::Starter).iter().filter(|question| question.required) {
            let answer = question.choices.first().copied().unwrap_or(" an answer ");
            assert!(check_complete(Tier::Starter, &draft).is_err());
            change(Tier::Starter, &mut draft, answers(&[(question.id, answer)])).expect("valid");
        }
        assert!(check_complete(Tier::Starter, &draft).is_ok());
        assert_eq!(draft["goal"], "an answer", "it is trimmed");
        change(Tier::Starter, &mut draft, answers(&[("goal", "  ")])).expect("removed");
        assert_eq!(fields(check_complete(Tier::Starter, &draft)), ["answers.goal"]);
    }
}
