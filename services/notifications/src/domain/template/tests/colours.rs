//! Every word of a mail can be read: its contrast is 4.5:1 at least (WCAG 2.2, 1.4.3), in light and in dark mode.

use scraper::{ElementRef, Html, Node, Selector};

use super::{Rendered, samples, templates};

/// A colour: red, green, blue.
type Colour = [u8; 3];

fn colour(text: &str) -> Option<Colour> {
    let hex = u32::from_str_radix(text.trim().strip_prefix('#')?, 16).ok()?;
    let [_, red, green, blue] = hex.to_be_bytes();
    Some([red, green, blue])
}

/// <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>
fn luminance(colour: Colour) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let channel = f64::from(channel) / 255.0;
        if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: Colour, other: Colour) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The colours of text and background that a style sets.
fn set_by(style: &str) -> [Option<Colour>; 2] {
    let mut set = [None, None];
    for (name, value) in style.split(';').filter_map(|declaration| declaration.split_once(':')) {
        let value = colour(value.replace("!important", "").trim());
        match name.trim() {
            "color" => set[0] = value.or(set[0]),
            "background" | "background-color" => set[1] = value.or(set[1]),
            _ => {}
        }
    }
    set
}

/// The rules of dark mode: selector and style.
fn dark_rules(html: &str) -> Vec<(Selector, String)> {
    let (_, rules) = html.split_once("(prefers-color-scheme: dark) {").expect("rules of dark mode");
    let (rules, _) = rules.split_once("</style>").expect("their end");
    let rules = rules.split('}').filter_map(|rule| rule.split_once('{'));
    rules
        .map(|(selector, style)| (Selector::parse(selector.trim()).expect(selector), style.to_owned()))
        .collect()
}

/// Checks all text in an element, whose parent has these colours.
fn check(element: ElementRef<'_>, inherited: [Colour; 2], dark: &[(Selector, String)], name: &str) -> usize {
    let style = element.attr("style").unwrap_or_default();
    if style.contains("display:none") || ["head", "style"].contains(&element.value().name()) {
        return 0;
    }
    let mut colours = inherited;
    let of_dark =
        dark.iter().filter(|(selector, _)| selector.matches(&element)).map(|(_, style)| style.as_str());
    // A rule with `!important` overrides the element's own style.
    for style in [style].into_iter().chain(of_dark) {
        for (colour, set) in colours.iter_mut().zip(set_by(style)) {
            *colour = set.unwrap_or(*colour);
        }
    }
    let mut checked = 0;
    for child in element.children() {
        match child.value() {
            Node::Text(text) if !text.trim().is_empty() => {
                let contrast = contrast(colours[0], colours[1]);
                assert!(contrast >= 4.5, "{name}: {:?} has {contrast:.2}, of {colours:?}", text.trim());
                checked += 1;
            }
            Node::Element(_) => {
                checked += check(ElementRef::wrap(child).expect("an element"), colours, dark, name);
            }
            _ => {}
        }
    }
    checked
}

#[test]
fn the_contrast_is_the_one_of_the_standard() {
    assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 0.01);
    assert!((contrast([0x77; 3], [255; 3]) - 4.48).abs() < 0.01);
}

#[test]
fn every_word_can_be_read_in_light_and_in_dark_mode() {
    let templates = templates();
    for name in samples() {
        let Rendered { html, .. } = templates.sample(name, |_| ()).expect("it renders");
        let document = Html::parse_document(&html);
        for dark in [Vec::new(), dark_rules(&html)] {
            let checked = check(document.root_element(), [[0; 3], [255; 3]], &dark, name);
            assert!(checked > 5, "only {checked} texts of {name} were found");
        }
    }
}
