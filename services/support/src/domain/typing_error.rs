//! Typing errors in the words of a question.

/// The word that was probably meant by a word that no passage has: the one of these that differs by one or two typing errors.
pub(crate) fn meant<'w>(typed: &str, similar: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let length = typed.chars().count();
    let most = match length {
        0..=4 => return None,
        5..=7 => 1,
        _ => 2,
    };
    let distances = similar.into_iter().map(|word| (strsim::osa_distance(typed, word), word));
    distances
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_mended_and_another_word_is_not() {
        for (typed, similar, expected) in [
            ("refnud", vec!["refund", "refus"], Some("refund")),
            ("subscripton", vec!["subscript"], Some("subscript")),
            ("wokflow", vec!["workflow", "work"], Some("workflow")),
            ("pari", vec!["part"], None),
            ("car", vec!["card"], None),
            ("weather", vec!["whether"], None),
            ("insur", vec!["invoic"], None),
        ] {
            assert_eq!(meant(typed, similar), expected, "{typed}");
        }
    }
}
