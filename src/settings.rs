//! `.env.example`, made from the settings themselves.

use std::fmt::Write;

/// Every setting with its meaning and default.
pub(crate) fn example() -> String {
    let mut text = String::from(
        "# Every setting of Levqor, with its default and meaning. Written by `levqor settings`; a test compares.\n\
         # `levqor up` needs none of them. A secret may be given as a file instead: NAME_FILE=/path.\n\
         # Nothing reads this file by itself: copy it, fill it in, and `set -a; . ./.env; set +a` before you start.\n",
    );
    for setting in crate::mesh::settings() {
        let secret = if setting.secret { " Secret." } else { "" };
        let value = setting.default.unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n# {}{secret}\n#{}={value}\n", setting.meaning, setting.name);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_lists_every_setting() {
        let file = include_str!("../.env.example");
        assert_eq!(file, super::example(), "run `cargo run -- settings > .env.example`");
    }
}
