//! The settings of mail: the senders, the providers in their order, and the rate.

use std::{borrow::Cow, path::PathBuf};

use levqor_proto_mail::v1::Sender as SenderKind;
use levqor_runtime::{
    client::ApiBase,
    config::{Reader, Setting},
    email::Email,
    wire_enum,
};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::{delivery::KeyHours, pace::Rate, sender::Sender, smtp_url::SmtpUrl};

wire_enum! {
    /// A provider that the order of providers can name.
    #[derive(Hash)]
    pub enum ProviderName {
        /// Resend's API, or a server with the same API.
        Resend = "resend",
        /// An SMTP server.
        Smtp = "smtp",
        /// The local mailbox: mail is not delivered.
        Mailbox = "mailbox",
    }
}

/// The configuration of mail.
pub struct MailConfig {
    /// `LEVQOR_MAIL_FROM` and `LEVQOR_MAIL_REPLY_TO`, and those of each sender.
    pub senders: Senders,
    /// `LEVQOR_MAIL_PROVIDERS`: at least one, in the order in which they are tried.
    pub order: Vec<ProviderName>,
    /// `RESEND_API_KEY`; none where Resend takes no mail.
    pub resend_key: Option<SecretString>,
    /// `RESEND_API_BASE`
    pub resend_base: ApiBase,
    /// `RESEND_KEY_HOURS`
    pub resend_key_hours: KeyHours,
    /// `RESEND_RATE`
    pub resend_rate: Rate,
    /// `SMTP_URL`; none if no SMTP server takes mail.
    pub smtp_url: Option<SmtpUrl>,
    /// `SMTP_CA_FILE`; none where the server's certificate is signed by a public authority.
    pub smtp_ca: Option<PathBuf>,
    /// `SMTP_RATE`
    pub smtp_rate: Rate,
}

/// The senders of mail, and the addresses for replies.
pub struct Senders {
    common: Sender,
    own: Vec<(SenderKind, Sender)>,
    common_reply_to: Option<Email>,
    own_reply_to: Vec<(SenderKind, Email)>,
}

impl Senders {
    /// The sender of this kind of mail.
    #[must_use]
    pub fn of(&self, kind: SenderKind) -> &Sender {
        self.own.iter().find(|(of, _)| *of == kind).map_or(&self.common, |(_, sender)| sender)
    }

    /// Where replies to this kind of mail go. None: to the sender.
    #[must_use]
    pub fn reply_to(&self, kind: SenderKind) -> Option<&Email> {
        let own = self.own_reply_to.iter().find(|(of, _)| *of == kind);
        own.map(|(_, address)| address).or(self.common_reply_to.as_ref())
    }

    /// The sender of every kind that has none of its own.
    #[must_use]
    pub const fn common(&self) -> &Sender {
        &self.common
    }

    /// Every sender.
    pub fn iter(&self) -> impl Iterator<Item = &Sender> {
        std::iter::once(&self.common).chain(self.own.iter().map(|(_, sender)| sender))
    }
}

const MAIL_FROM: Setting = Setting::plain(
    "LEVQOR_MAIL_FROM",
    Some("Levqor <orders@levqor.ai>"),
    "The sender of mail for which no LEVQOR_MAIL_FROM_… is set.",
);
const REPLY_TO: Setting = Setting::plain(
    "LEVQOR_MAIL_REPLY_TO",
    None,
    "The address for replies to mails whose sender has no LEVQOR_MAIL_REPLY_TO_… of its own. Not set: replies go to the sender.",
);
const PROVIDERS: Setting = Setting::plain(
    "LEVQOR_MAIL_PROVIDERS",
    None,
    "Which providers take mail, in the order in which they are tried: `resend`, `smtp`, or both as in `resend,smtp`. The second \
     gets a mail only if the first certainly did not take it. Default: those that are set up, Resend first. `mailbox` keeps mail \
     in the local mailbox.",
);
const RESEND_KEY: Setting = Setting::secret(
    "RESEND_API_KEY",
    "Key of Resend's API (`re_…`), or of a server with the same API. With it mail is sent.",
);
const RESEND_BASE: Setting =
    Setting::plain("RESEND_API_BASE", Some("https://api.resend.com"), "Base URL of Resend's API.");
const RESEND_KEY_HOURS: Setting = Setting::plain(
    "RESEND_KEY_HOURS",
    Some("24"),
    "For how many hours the server at RESEND_API_BASE honours an idempotency key: Resend 24. 0 for one that ignores them: \
     then a mail that it may have taken is never sent again by itself, but waits IN_DOUBT for a person.",
);
const RESEND_RATE: Setting = Setting::plain(
    "RESEND_RATE",
    Some("5"),
    "How many requests a second the server at RESEND_API_BASE gets from all replicas together, mails and questions about them; 0 \
     for no limit.",
);
const SMTP_URL: Setting = Setting::secret(
    "SMTP_URL",
    "The SMTP server that takes our mail: smtps://user:password@host:465, or smtp://user:password@host:587 for STARTTLS. \
     Characters such as `@` and `/` in user and password are percent-encoded.",
);
const SMTP_CA_FILE: Setting = Setting::plain(
    "SMTP_CA_FILE",
    None,
    "A file with the certificate (PEM) of the authority that signed the SMTP server's certificate, where that is no public one.",
);
const SMTP_RATE: Setting = Setting::plain(
    "SMTP_RATE",
    Some("10"),
    "How many mails a second the SMTP server gets from all replicas together; 0 for no limit.",
);

/// The kinds of senders that may have a setting of their own.
fn kinds() -> impl Iterator<Item = SenderKind> {
    let all = (1..64).map_while(|number| SenderKind::try_from(number).ok());
    all.filter(|kind| *kind != SenderKind::Orders)
}

/// The sender of the mails of a kind.
fn mail_from(kind: SenderKind) -> Setting {
    of_kind(kind, &MAIL_FROM, |name| format!("The sender of mails of the kind {name}."))
}

/// The address for replies to mails of a kind.
fn reply_to(kind: SenderKind) -> Setting {
    of_kind(kind, &REPLY_TO, |name| format!("The address for replies to mails of the kind {name}."))
}

/// The setting of a kind of sender, whose default is the common setting.
fn of_kind(kind: SenderKind, common: &Setting, meaning: impl Fn(&str) -> String) -> Setting {
    let (name, common) = (kind.as_str_name().trim_start_matches("SENDER_"), &common.name);
    Setting {
        name: Cow::Owned(format!("{common}_{name}")),
        default: None,
        meaning: Cow::Owned(format!("{} Default: {common}.", meaning(name))),
        secret: false,
    }
}

const SENDER: &str = "an address, alone or as in `Levqor <orders@levqor.ai>`";

impl MailConfig {
    /// Every setting of mail.
    pub(super) fn settings() -> Vec<Setting> {
        let mut settings = vec![MAIL_FROM];
        settings.extend(kinds().map(mail_from));
        settings.push(REPLY_TO);
        settings.extend(kinds().map(reply_to));
        settings.extend([PROVIDERS, RESEND_KEY, RESEND_BASE, RESEND_KEY_HOURS, RESEND_RATE]);
        settings.extend([SMTP_URL, SMTP_CA_FILE, SMTP_RATE]);
        settings
    }

    /// Reads the settings of mail. Returns `None` only after it reported a problem to `reader`.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let common = reader.defaulted(&MAIL_FROM, SENDER);
        let own =
            kinds().filter_map(|kind| Some((kind, reader.optional(&mail_from(kind), SENDER)?))).collect();
        let common_reply_to = reader.optional(&REPLY_TO, "a mail address");
        let own_reply_to = kinds()
            .filter_map(|kind| Some((kind, reader.optional(&reply_to(kind), "a mail address")?)))
            .collect();
        let resend_key = resend_key(reader);
        let resend_base = reader.defaulted(&RESEND_BASE, ApiBase::EXPECTED);
        let resend_key_hours = reader.defaulted(&RESEND_KEY_HOURS, "a number of hours, or 0");
        let resend_rate = reader.defaulted(&RESEND_RATE, Rate::EXPECTED);
        let smtp_url = smtp_url(reader);
        let smtp_ca = reader.optional(&SMTP_CA_FILE, "the path of a file");
        let smtp_rate = reader.defaulted(&SMTP_RATE, Rate::EXPECTED);
        let order = order(reader, resend_key.is_some(), smtp_url.is_some());
        Some(Self {
            senders: Senders { common: common?, own, common_reply_to, own_reply_to },
            order,
            resend_key,
            resend_base: resend_base?,
            resend_key_hours: resend_key_hours?,
            resend_rate: resend_rate?,
            smtp_url,
            smtp_ca,
            smtp_rate: smtp_rate?,
        })
    }
}

/// Other servers with Resend's API have keys of other forms, so this refuses only characters that an HTTP header cannot hold.
fn resend_key(reader: &mut Reader<'_>) -> Option<SecretString> {
    let key = reader.secret(&RESEND_KEY)?;
    if !key.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
        reader.problem(&RESEND_KEY, "expected visible ASCII characters");
    }
    Some(key)
}

fn smtp_url(reader: &mut Reader<'_>) -> Option<SmtpUrl> {
    let text = reader.secret(&SMTP_URL)?;
    let url = text.expose_secret().parse().ok();
    if url.is_none() {
        reader.problem(&SMTP_URL, format!("expected {}", SmtpUrl::EXPECTED));
    }
    url
}

/// The order of the providers. Without the setting, those that are set up. The mailbox cannot be combined with other providers,
/// so mail that must be sent never ends in the mailbox.
fn order(reader: &mut Reader<'_>, resend: bool, smtp: bool) -> Vec<ProviderName> {
    let given: Option<String> = reader.optional(&PROVIDERS, "a list of providers");
    let Some(given) = given else {
        let set_up = [(ProviderName::Resend, resend), (ProviderName::Smtp, smtp)];
        let order: Vec<_> = set_up.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
        return if order.is_empty() { vec![ProviderName::Mailbox] } else { order };
    };
    let names: Vec<_> = given.split(',').map(|name| name.trim().parse::<ProviderName>().ok()).collect();
    let known: Vec<_> = names.iter().copied().flatten().collect();
    let is_repeated = (1..known.len()).any(|at| known[..at].contains(&known[at]));
    let is_mixed = known.len() > 1 && known.contains(&ProviderName::Mailbox);
    if known.len() < names.len() || is_repeated || is_mixed {
        reader.problem(&PROVIDERS, "expected `resend`, `smtp`, `resend,smtp`, `smtp,resend` or `mailbox`");
    }
    for (name, is_set, setting) in
        [(ProviderName::Resend, resend, "RESEND_API_KEY"), (ProviderName::Smtp, smtp, "SMTP_URL")]
    {
        if known.contains(&name) && !is_set {
            reader.problem(&PROVIDERS, format!("names `{}`, but {setting} is not set", name.as_str()));
        }
    }
    known
}
