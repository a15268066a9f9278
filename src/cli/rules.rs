//! `iamwarden rules`: which rules there are, and what each finds and does.

use super::arguments::RulesCommand;
use super::opening::Opening;
use super::{Exit, print};
use crate::config::{Config, Mode};
use crate::rules::{self, REGISTRY, Rule};

pub(super) fn run(opening: &Opening, command: Option<&RulesCommand>) -> anyhow::Result<Exit> {
    match command {
        None => print(&list(&opening.load()?.config))?,
        Some(RulesCommand::Explain { name }) => match rules::find(name) {
            Some(rule) => print(&explain(rule))?,
            None => {
                let known: Vec<_> = REGISTRY.iter().map(|rule| rule.name).collect();
                anyhow::bail!("`{name}` is not a rule; there are {}", known.join(", "));
            }
        },
    }
    Ok(Exit::Ok)
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Report => "report",
        Mode::Approve => "approve",
        Mode::Enforce => "enforce",
    }
}

/// What the rule may change under this configuration.
fn changes(rule: &Rule, config: &Config) -> String {
    let kinds = (rule.changes)(config);
    let names: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    match names.as_slice() {
        [] => "reports only".to_owned(),
        names => names.join(", "),
    }
}

fn controls(rule: &Rule) -> String {
    match rule.controls {
        [] => "–".to_owned(),
        controls => controls.join(", "),
    }
}

fn list(config: &Config) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::TableStyle::new());
    table.set_header(["rule", "mode", "changes", "CIS v3.0.0", "finds"]);
    for rule in &REGISTRY {
        table.add_row([
            rule.name.to_owned(),
            mode_word((rule.mode)(config)).to_owned(),
            changes(rule, config),
            controls(rule),
            rule.summary.to_owned(),
        ]);
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    let lines: Vec<_> = lines.collect();
    format!(
        "{}\n\nMore of one: iamwarden rules explain NAME\n",
        lines.join("\n")
    )
}

fn explain(rule: &Rule) -> String {
    format!(
        "# {}\n\n{}\n\nPractice: {}\nCIS AWS Foundations v3.0.0: {}\nSettings: [rules.{}] in config/default.toml\n",
        rule.name,
        rule.documentation(),
        rule.practice.title(),
        controls(rule),
        rule.name,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_listed_with_its_mode() {
        let list = list(&Config::built_in().unwrap());
        for rule in &REGISTRY {
            let line = list
                .lines()
                .find(|line| line.trim_start().starts_with(rule.name))
                .unwrap();
            assert!(line.contains("report"), "{line}");
            assert!(line.contains(rule.summary), "{line}");
        }
    }

    #[test]
    fn a_rule_is_explained_by_its_own_documentation() {
        let rule = rules::find("unused_access_keys").unwrap();
        insta::assert_snapshot!(explain(rule), @r#"
        # unused_access_keys

        `unused_access_keys`: active access keys that nobody uses.

        A key unused for longer than `unused_for` offends; one never used counts from its creation; a use exactly at the edge
        is use, and one that cannot be read is unknown, never "not used". (IAM user guide, "Find unused AWS credentials"; CIS
        AWS Foundations Benchmark, "Ensure credentials unused for 45 days or more are disabled". Prowler's
        `iam_user_accesskey_unused` passes keys that were never used, however old they are.)

        Practice: Roles instead of keys, keys rotated
        CIS AWS Foundations v3.0.0: 1.12
        Settings: [rules.unused_access_keys] in config/default.toml
        "#);
    }
}
