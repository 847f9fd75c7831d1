//! Support's capabilities.

use levqor_runtime::service::Capability;

use crate::Support;

/// The capabilities.
pub(crate) fn capabilities(support: &Support) -> Vec<Capability> {
    let articles = support.library.len();
    let chat = format!(
        "answers are quoted from {articles} articles that come with the service, and from those of staff"
    );
    let prices = if support.facts.has_prices() {
        Capability::on("prices_in_articles", "from billing's price list")
    } else {
        Capability::off(
            "prices_in_articles",
            "billing has not given its price list yet: passages with prices are not quoted",
        )
    };
    vec![
        Capability::on("chat", chat),
        Capability::on("tickets", "conversations go to a person; customers are told by mail"),
        prices,
        ai(support),
        mail_replies(support),
        Capability::on("leads", "forms are stored, scored and acknowledged; operators are told"),
        Capability::on("complaints", "acknowledged at once by mail; an overdue result is told to operators"),
        Capability::on(
            "public_status",
            "components are measured once a minute; incidents are shown once staff publish them",
        ),
        Capability::on("status_mails", "whoever confirmed it gets news of incidents and maintenance by mail"),
    ]
}

/// Whether replies by mail come back into tickets, and their files with them.
fn mail_replies(support: &Support) -> Capability {
    let name = "mail_replies";
    match (&support.config.inbound, &support.storage) {
        (None, _) => Capability::off(
            name,
            "LEVQOR_INBOUND_DOMAIN is not set: replies to mails do not come back into tickets",
        ),
        (Some(_), None) => Capability::on(
            name,
            "replies by mail come back into tickets, without their files: neither LEVQOR_STORAGE_DIR nor LEVQOR_STORAGE_S3_BUCKET is set",
        ),
        (Some(_), Some(_)) => {
            Capability::on(name, "replies by mail come back into tickets, with files of 20 MB in all")
        }
    }
}

/// Whether a language model writes answers.
fn ai(support: &Support) -> Capability {
    let Some(model) = &support.model else {
        return Capability::off(
            "ai",
            "OPENAI_API_KEY is not set: answers are passages of articles, word for word",
        );
    };
    match model.trouble() {
        None => Capability::on("ai", format!("{} writes answers from articles", model.name())),
        Some(trouble) => Capability::failed(
            "ai",
            format!("the model does not answer ({}): answers are passages of articles", trouble.as_str()),
        ),
    }
}
