use super::*;
use crate::plan::render::sample;

#[test]
fn everything_of_the_plan_is_there() {
    for plan in [sample::plan(), sample::all_unknown(), sample::large(500)] {
        let page = html(&plan);
        for finding in &plan.findings {
            assert!(
                page.contains(&format!(r#"id="{}""#, finding.id)),
                "{}",
                finding.id
            );
        }
        for action in &plan.actions {
            assert!(
                page.contains(&format!(r#"<code class="id">{}</code>"#, action.id)),
                "{}",
                action.id
            );
        }
        assert_eq!(page.matches("data-item ").count(), plan.findings.len());
        assert!(
            plan.exemptions
                .iter()
                .all(|exemption| page.contains(&exemption.reason))
        );
        assert!(plan.api_calls.keys().all(|operation| page.contains(operation)));
    }
}

#[test]
fn nothing_is_loaded_and_only_its_own_script_may_run() {
    let page = html(&sample::plan());
    for wrong in [
        "src=\"",
        "@import",
        "url(",
        "<link",
        "<base",
        "<iframe",
        "style=\"",
        "onclick",
        "javascript:",
    ] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    for (at, _) in page.match_indices("href=\"") {
        assert!(page[at..].starts_with("href=\"#"), "{}", &page[at..at + 40]);
    }
    // The only address is the one that evidence from outside holds, as text.
    assert_eq!(
        page.matches("://").count(),
        page.matches("&#60;img src=https://evil.example/x&#62;").count()
    );
    assert_eq!(
        (page.matches("<script").count(), page.matches("<style").count()),
        (1, 1)
    );
    let inside = |tag: &str| {
        let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
        rest.split_once(&format!("</{tag}>")).unwrap().0
    };
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        let digest = STANDARD.encode(Sha256::digest(inside(tag).as_bytes()));
        // The plus signs of a digest are escaped in the attribute, or not, as askama likes.
        let policy = page.replace("&#43;", "+").replace("&#39;", "'");
        assert!(
            policy.contains(&format!("{directive} 'sha256-{digest}'")),
            "{tag}"
        );
    }
    assert!(page.contains("default-src"));
}

#[test]
fn names_from_outside_are_only_text() {
    let page = html(&sample::plan());
    assert!(page.contains("user/&#60;script&#62;alert(1)&#60;/script&#62;|`@everyone\\u{202e}"));
    assert!(page.contains("&#60;b&#62;@mallory&#60;/b&#62;"));
    for wrong in ["<script>alert", "<b>@", "<img", "\u{202e}"] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn tags_are_balanced_and_ids_unique() {
    for plan in [sample::plan(), sample::empty(), sample::all_unknown()] {
        let page = html(&plan);
        for tag in [
            "div", "section", "article", "table", "tbody", "tr", "td", "ul", "ol", "li", "details", "p",
            "svg", "dl",
        ] {
            let opened =
                page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        let mut ids: Vec<&str> = page
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}

#[test]
fn an_action_without_its_finding_is_still_shown() {
    let mut plan = sample::plan();
    let action = plan.actions[0].clone();
    plan.findings.retain(|finding| finding.id != action.finding);
    assert!(html(&plan).contains(action.id.as_str()));
}

#[test]
fn the_headline_claims_no_more_than_is_known() {
    let heading = |plan| {
        let page = html(&plan).replace('\u{a0}', " ");
        let (_, rest) = page.split_once("<h1>").unwrap();
        rest.split_once("</h1>").unwrap().0.to_owned()
    };
    assert_eq!(
        heading(sample::plan()),
        "2 changes due now, 11 held back, 3 findings unknown"
    );
    assert_eq!(heading(sample::all_unknown()), "No changes, 12 findings unknown");
    assert_eq!(heading(sample::empty()), "Nothing to change");
}

#[test]
fn the_same_plan_gives_the_same_page() {
    assert_eq!(html(&sample::plan()), html(&sample::plan()));
}

/// Colours by name, from one block of the style sheet.
fn palette(block: &str) -> std::collections::BTreeMap<&str, [f64; 3]> {
    let declarations = block
        .split([';', '{'])
        .filter_map(|entry| entry.trim().split_once(": #"));
    declarations
        .filter(|(name, _)| name.starts_with("--"))
        .map(|(name, hex)| {
            let channel = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            (name, [channel(0), channel(2), channel(4)])
        })
        .collect()
}

/// The contrast ratio of WCAG 2.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |color: [f64; 3]| {
        let linear = color.map(|c| {
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_colour_of_text_reads_on_every_ground() {
    let (light, rest) = STYLE
        .split_once("@media screen and (prefers-color-scheme: dark)")
        .unwrap();
    let (dark, _) = rest.split_once("\n}").unwrap();
    for (scheme, block) in [("light", light), ("dark", dark)] {
        let colors = palette(block);
        for ground in ["--page", "--surface", "--sunken"] {
            for (name, color) in colors
                .iter()
                .filter(|(name, _)| !["--page", "--surface", "--sunken", "--line"].contains(name))
            {
                let ratio = contrast(*color, colors[ground]);
                assert!(ratio >= 4.5, "{scheme}: {name} on {ground} is {ratio:.2}");
            }
        }
        assert!(colors.len() >= 17, "{scheme}: {}", colors.len());
    }
}
