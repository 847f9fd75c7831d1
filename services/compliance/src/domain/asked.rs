//! The subject of a data request: the right, and the corrections or declarations.

use std::str::FromStr;

use levqor_runtime::{email::Email, error::Violations, request::Field};

use super::{
    consent::Purpose,
    data_request::Entitlement,
    declaration::Shown,
    objection::{Objected, sentence},
};

/// The right name of a person: one line of 1 to 200 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CorrectedName(String);

impl CorrectedName {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is empty, too long, or has control characters.
#[derive(Debug, thiserror::Error)]
#[error("no name")]
pub(crate) struct NoName;

impl FromStr for CorrectedName {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let text = text.trim();
        let fits = (1..=200).contains(&text.chars().count()) && !text.contains(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(NoName) }
    }
}

impl Field for CorrectedName {
    const EXPECTED: &'static str = "a name of 1 to 200 characters";
}

/// The fields to correct. Empty in any other request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Correction {
    /// The right name.
    pub(crate) name: Option<CorrectedName>,
    /// A wrong address, which the address of the request replaces.
    pub(crate) wrong_email: Option<Email>,
}

impl Correction {
    /// Whether there is nothing to correct.
    pub(crate) const fn is_empty(&self) -> bool {
        self.name.is_none() && self.wrong_email.is_none()
    }
}

/// What an objection or a withdrawal declares. Empty in any other request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    /// The uses that the objection is about.
    pub(crate) objected: Option<Objected>,
    /// Whether it ends the objection.
    pub(crate) ends: bool,
    /// The purposes of the consents that are withdrawn.
    pub(crate) withdrawn: Vec<Purpose>,
    /// The shown text.
    pub(crate) shown: Shown,
}

impl Declared {
    /// What holds for the person now, in sentences. It may have held before.
    pub(crate) fn changes(&self) -> Vec<String> {
        let scopes = self.objected.iter().flat_map(|objected| objected.scopes());
        let mut changes: Vec<_> = scopes.map(|scope| sentence(*scope, !self.ends)).collect();
        let mails = self.withdrawn.iter().filter_map(|purpose| purpose.mails());
        changes.extend(mails.map(|mails| format!("You no longer agree to {mails}.")));
        changes
    }
}

/// The fields of an RPC's request that hold the right and its details.
#[derive(Default)]
pub(crate) struct Fields<'f> {
    pub(crate) right: i32,
    pub(crate) corrected_name: &'f str,
    pub(crate) wrong_email: &'f str,
    pub(crate) objection_scope: i32,
    pub(crate) objection_ends: bool,
    pub(crate) withdrawn: &'f [i32],
    pub(crate) shown_version: &'f str,
    pub(crate) shown_text: &'f str,
}

/// The subject of a request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) entitlement: Entitlement,
    pub(crate) correction: Correction,
    pub(crate) declared: Declared,
}

impl Asked {
    /// Reads the fields. Adds a violation for each that is missing, and for each that belongs to another right.
    pub(crate) fn read(violations: &mut Violations, fields: &Fields<'_>) -> Option<Self> {
        let entitlement: Option<Entitlement> = violations.field_enum("right", fields.right);
        let correction = Correction {
            name: violations.filter("corrected_name", fields.corrected_name),
            wrong_email: violations.filter("wrong_email", fields.wrong_email),
        };
        let declared = Declared {
            objected: violations.filter_enum("objection_scope", fields.objection_scope),
            ends: fields.objection_ends,
            withdrawn: Purpose::of_mails(violations, "withdrawn", fields.withdrawn),
            shown: Shown::read(violations, fields.shown_version, fields.shown_text),
        };
        let entitlement = entitlement?;
        fields.check(violations, entitlement);
        Some(Self { entitlement, correction, declared })
    }
}

impl Fields<'_> {
    /// Adds a violation for each field that this right needs and that is missing, and for each that it does not take.
    fn check(&self, violations: &mut Violations, entitlement: Entitlement) {
        let [is_correction, is_objection, is_withdrawal] =
            [Entitlement::Rectification, Entitlement::Objection, Entitlement::ConsentWithdrawal]
                .map(|right| right == entitlement);
        let [has_name, has_address] = [self.corrected_name, self.wrong_email].map(|text| !text.is_empty());
        let [has_scope, has_withdrawn] = [self.objection_scope != 0, !self.withdrawn.is_empty()];
        if is_correction && !has_name && !has_address {
            violations.add("corrected_name", "expected the right name, or a wrong address in `wrong_email`");
        }
        if is_objection && !has_scope {
            violations.add("objection_scope", "expected what the person objects to");
        }
        if is_withdrawal && !has_withdrawn {
            violations.add("withdrawn", "expected one or more purposes of advertising by mail");
        }
        let was_shown = !(self.shown_version.is_empty() && self.shown_text.is_empty());
        for (field, is_set, is_taken, rights) in [
            ("corrected_name", has_name, is_correction, "RIGHT_RECTIFICATION"),
            ("wrong_email", has_address, is_correction, "RIGHT_RECTIFICATION"),
            ("objection_scope", has_scope, is_objection, "RIGHT_OBJECTION"),
            ("objection_ends", self.objection_ends, is_objection, "RIGHT_OBJECTION"),
            ("withdrawn", has_withdrawn, is_withdrawal, "RIGHT_CONSENT_WITHDRAWAL"),
            (
                "shown_text",
                was_shown,
                entitlement.is_declaration(),
                "RIGHT_OBJECTION and RIGHT_CONSENT_WITHDRAWAL",
            ),
        ] {
            if is_set && !is_taken {
                violations.add(field, format!("expected only with {rights}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use levqor_proto_compliance::v1::{ConsentPurpose, ObjectionScope, Right};

    use super::*;

    fn read(fields: &Fields<'_>) -> Result<Asked, Vec<String>> {
        let mut violations = Violations::new();
        let asked = Asked::read(&mut violations, fields);
        let invalid = |invalid: levqor_runtime::error::Invalid| {
            invalid.0.into_iter().map(|violation| violation.field).collect()
        };
        violations.finish(asked).map_err(invalid)
    }

    #[test]
    fn only_a_correction_has_something_to_correct() {
        let read = |right: Right, name: &str, email: &str| {
            let fields =
                Fields { right: right.into(), corrected_name: name, wrong_email: email, ..Fields::default() };
            let corrected = read(&fields).map(|asked| asked.correction);
            corrected
                .map_err(|fields| fields.len())
                .map(|it| (it.name.map(|name| name.0), it.wrong_email.map(|email| email.as_str().to_owned())))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read(Right::Erasure, "", ""), Ok((None, None)));
        assert_eq!(read(Right::Rectification, " Ada L. ", ""), Ok((some("Ada L."), None)));
        assert_eq!(read(Right::Rectification, "", "ada@exmaple.com"), Ok((None, some("ada@exmaple.com"))));
        for (right, name, email) in [
            (Right::Erasure, "Ada", ""),
            (Right::Access, "", "ada@exmaple.com"),
            (Right::Rectification, "", ""),
            (Right::Rectification, " ", ""),
            (Right::Rectification, "a\nb", ""),
            (Right::Rectification, "", "ada"),
            (Right::Unspecified, "", ""),
        ] {
            assert_eq!(read(right, name, email), Err(1), "{right:?} {name:?} {email:?}");
        }
    }

    #[test]
    fn an_objection_names_its_scope_and_a_withdrawal_its_purposes_and_no_other_right_takes_them() {
        let mails: [i32; 1] = [ConsentPurpose::MailProductUpdates.into()];
        let cookies: [i32; 1] = [ConsentPurpose::CookiesMarketing.into()];
        let of = |right: Right| Fields { right: right.into(), ..Fields::default() };
        let fields = |fields: Fields<'_>| read(&fields).map(drop).expect_err("not valid");
        assert_eq!(fields(of(Right::Objection)), ["objection_scope"]);
        assert_eq!(fields(of(Right::ConsentWithdrawal)), ["withdrawn"]);
        let wrong = Fields { withdrawn: &cookies, ..of(Right::ConsentWithdrawal) };
        assert_eq!(fields(wrong), ["withdrawn"], "cookies are not about mails");
        for right in [Right::Access, Right::Portability, Right::Erasure, Right::Restriction] {
            let all = Fields {
                objection_scope: ObjectionScope::All.into(),
                objection_ends: true,
                withdrawn: &mails,
                shown_version: "1",
                shown_text: "x",
                ..of(right)
            };
            let expected = ["objection_scope", "objection_ends", "withdrawn", "shown_text"];
            assert_eq!(fields(all), expected, "{right:?}");
        }
    }

    #[test]
    fn the_effects_are_named_for_each_use_and_each_kind_of_mail() {
        let mails: [i32; 2] = [ConsentPurpose::MailOffersPromotions.into(); 2];
        let (right, objection_scope) = (Right::Objection.into(), ObjectionScope::All.into());
        let all = Fields { right, objection_scope, ..Fields::default() };
        let changes = read(&all).expect("valid").declared.changes();
        assert_eq!(changes.len(), 4, "{changes:?}");
        assert_eq!(changes[0], "You object to advertising.");
        let ended = Fields { objection_ends: true, ..all };
        let changes = read(&ended).expect("valid").declared.changes();
        assert_eq!(changes[0], "You no longer object to advertising.");
        let withdrawal =
            Fields { right: Right::ConsentWithdrawal.into(), withdrawn: &mails, ..Fields::default() };
        let changes = read(&withdrawal).expect("valid").declared.changes();
        assert_eq!(changes, ["You no longer agree to mails about offers and discounts."]);
    }
}
