//! Known ways from some permissions to more: a table, and who can walk it.

use super::access::{Entry, On, Place, Said, Strength};

/// A way to more permissions: whoever may do all of its steps gains those of somebody else, or gives itself any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// What is gained, as a part of a sentence.
    pub(super) gain: &'static str,
    /// What it takes, as `service:Action`, and on what.
    pub(super) steps: &'static [(&'static str, On)],
    /// To which services a role is passed, where `iam:PassRole` is a step.
    to: &'static [&'static str],
}

const SOMETHING: On = On::Something;
const ALL: On = On::All;
const USERS: On = iam("user", false);
const OWN_USER: On = iam("user", true);
const GROUPS: On = iam("group", false);
const ROLES: On = iam("role", false);
const OWN_ROLE: On = iam("role", true);
const POLICIES: On = iam("policy", false);

const fn iam(kind: &'static str, own: bool) -> On {
    On::Iam { kind, own }
}

const fn grants(gain: &'static str, steps: &'static [(&'static str, On)]) -> Path {
    Path { gain, steps, to: &[] }
}

const PASS: (&str, On) = ("iam:PassRole", ROLES);

/// The paths, as Rhino Security Labs, NCC's Principal Mapper and Datadog's pathfinding list them.
pub(super) const PATHS: [Path; 44] = [
    grants(
        "a new version of any policy",
        &[("iam:CreatePolicyVersion", POLICIES)],
    ),
    grants(
        "an older version of any policy",
        &[("iam:SetDefaultPolicyVersion", POLICIES)],
    ),
    grants("access keys of any user", &[("iam:CreateAccessKey", USERS)]),
    grants(
        "a console password for any user",
        &[("iam:CreateLoginProfile", USERS)],
    ),
    grants(
        "the console password of any user",
        &[("iam:UpdateLoginProfile", USERS)],
    ),
    grants("any policy for a user", &[("iam:AttachUserPolicy", OWN_USER)]),
    grants("any policy for a group", &[("iam:AttachGroupPolicy", GROUPS)]),
    grants("any policy for a role", &[("iam:AttachRolePolicy", OWN_ROLE)]),
    grants("any permission for a user", &[("iam:PutUserPolicy", OWN_USER)]),
    grants("any permission for a group", &[("iam:PutGroupPolicy", GROUPS)]),
    grants("any permission for a role", &[("iam:PutRolePolicy", OWN_ROLE)]),
    grants("membership in any group", &[("iam:AddUserToGroup", GROUPS)]),
    grants(
        "any role, by its trust policy",
        &[("iam:UpdateAssumeRolePolicy", ROLES), ("sts:AssumeRole", ROLES)],
    ),
    grants(
        "what a user's permissions boundary holds back",
        &[("iam:DeleteUserPermissionsBoundary", OWN_USER)],
    ),
    grants(
        "what a role's permissions boundary holds back",
        &[("iam:DeleteRolePermissionsBoundary", OWN_ROLE)],
    ),
    grants(
        "the roles of Lambda functions, by their code",
        &[("lambda:UpdateFunctionCode", ALL)],
    ),
    grants(
        "the roles of Lambda functions, by a layer",
        &[("lambda:UpdateFunctionConfiguration", ALL)],
    ),
    grants(
        "the roles of Glue's development endpoints",
        &[("glue:UpdateDevEndpoint", ALL)],
    ),
    grants(
        "the roles of EC2 instances, by a command",
        &[("ssm:SendCommand", ALL)],
    ),
    grants(
        "the roles of EC2 instances, by a session",
        &[("ssm:StartSession", ALL)],
    ),
    grants(
        "the roles of notebooks",
        &[("sagemaker:CreatePresignedNotebookInstanceUrl", ALL)],
    ),
    grants(
        "the roles of CloudFormation stacks",
        &[("cloudformation:UpdateStack", ALL)],
    ),
    Path {
        gain: "any role, on an EC2 instance",
        steps: &[PASS, ("ec2:RunInstances", SOMETHING)],
        to: &["ec2.amazonaws.com"],
    },
    Path {
        gain: "any role, on an EC2 instance that is there",
        steps: &[PASS, ("ec2:AssociateIamInstanceProfile", SOMETHING)],
        to: &["ec2.amazonaws.com"],
    },
    Path {
        gain: "any role, in a Lambda function",
        steps: &[
            PASS,
            ("lambda:CreateFunction", SOMETHING),
            ("lambda:InvokeFunction", SOMETHING),
        ],
        to: &["lambda.amazonaws.com"],
    },
    Path {
        gain: "any role, in a Lambda function that others invoke",
        steps: &[
            PASS,
            ("lambda:CreateFunction", SOMETHING),
            ("lambda:AddPermission", SOMETHING),
        ],
        to: &["lambda.amazonaws.com"],
    },
    Path {
        gain: "any role, in a Lambda function fed by events",
        steps: &[
            PASS,
            ("lambda:CreateFunction", SOMETHING),
            ("lambda:CreateEventSourceMapping", SOMETHING),
        ],
        to: &["lambda.amazonaws.com"],
    },
    Path {
        gain: "any role, in a CloudFormation stack",
        steps: &[PASS, ("cloudformation:CreateStack", SOMETHING)],
        to: &["cloudformation.amazonaws.com"],
    },
    Path {
        gain: "any role, in a CloudFormation change set",
        steps: &[
            PASS,
            ("cloudformation:CreateChangeSet", SOMETHING),
            ("cloudformation:ExecuteChangeSet", SOMETHING),
        ],
        to: &["cloudformation.amazonaws.com"],
    },
    Path {
        gain: "any role, in a Glue development endpoint",
        steps: &[PASS, ("glue:CreateDevEndpoint", SOMETHING)],
        to: &["glue.amazonaws.com"],
    },
    Path {
        gain: "any role, in a Glue job",
        steps: &[
            PASS,
            ("glue:CreateJob", SOMETHING),
            ("glue:StartJobRun", SOMETHING),
        ],
        to: &["glue.amazonaws.com"],
    },
    Path {
        gain: "any role, in a Glue job that is there",
        steps: &[
            PASS,
            ("glue:UpdateJob", SOMETHING),
            ("glue:StartJobRun", SOMETHING),
        ],
        to: &["glue.amazonaws.com"],
    },
    Path {
        gain: "any role, in a Glue job on a trigger",
        steps: &[
            PASS,
            ("glue:CreateJob", SOMETHING),
            ("glue:CreateTrigger", SOMETHING),
        ],
        to: &["glue.amazonaws.com"],
    },
    Path {
        gain: "any role, in a data pipeline",
        steps: &[
            PASS,
            ("datapipeline:CreatePipeline", SOMETHING),
            ("datapipeline:PutPipelineDefinition", SOMETHING),
            ("datapipeline:ActivatePipeline", SOMETHING),
        ],
        to: &["datapipeline.amazonaws.com", "ec2.amazonaws.com"],
    },
    Path {
        gain: "any role, in a CodeBuild project",
        steps: &[
            PASS,
            ("codebuild:CreateProject", SOMETHING),
            ("codebuild:StartBuild", SOMETHING),
        ],
        to: &["codebuild.amazonaws.com"],
    },
    Path {
        gain: "any role, in a CodeBuild project that is there",
        steps: &[
            PASS,
            ("codebuild:UpdateProject", SOMETHING),
            ("codebuild:StartBuild", SOMETHING),
        ],
        to: &["codebuild.amazonaws.com"],
    },
    Path {
        gain: "any role, in a notebook",
        steps: &[
            PASS,
            ("sagemaker:CreateNotebookInstance", SOMETHING),
            ("sagemaker:CreatePresignedNotebookInstanceUrl", SOMETHING),
        ],
        to: &["sagemaker.amazonaws.com"],
    },
    Path {
        gain: "any role, in a SageMaker training job",
        steps: &[PASS, ("sagemaker:CreateTrainingJob", SOMETHING)],
        to: &["sagemaker.amazonaws.com"],
    },
    Path {
        gain: "any role, in a SageMaker processing job",
        steps: &[PASS, ("sagemaker:CreateProcessingJob", SOMETHING)],
        to: &["sagemaker.amazonaws.com"],
    },
    Path {
        gain: "any role, in an ECS task",
        steps: &[
            PASS,
            ("ecs:RegisterTaskDefinition", SOMETHING),
            ("ecs:RunTask", SOMETHING),
        ],
        to: &["ecs-tasks.amazonaws.com"],
    },
    Path {
        gain: "any role, in an ECS service",
        steps: &[
            PASS,
            ("ecs:RegisterTaskDefinition", SOMETHING),
            ("ecs:UpdateService", SOMETHING),
        ],
        to: &["ecs-tasks.amazonaws.com"],
    },
    Path {
        gain: "any role, in a state machine",
        steps: &[
            PASS,
            ("states:CreateStateMachine", SOMETHING),
            ("states:StartExecution", SOMETHING),
        ],
        to: &["states.amazonaws.com"],
    },
    Path {
        gain: "any role, in an automation of Systems Manager",
        steps: &[
            PASS,
            ("ssm:CreateDocument", SOMETHING),
            ("ssm:StartAutomationExecution", SOMETHING),
        ],
        to: &["ssm.amazonaws.com"],
    },
    Path {
        gain: "any role, in an App Runner service",
        steps: &[PASS, ("apprunner:CreateService", SOMETHING)],
        to: &["tasks.apprunner.amazonaws.com", "build.apprunner.amazonaws.com"],
    },
];

impl Path {
    /// Its steps, as people read them.
    pub(super) fn name(&self) -> String {
        let steps: Vec<_> = self.steps.iter().map(|(step, _)| *step).collect();
        steps.join(" + ")
    }
}

/// What one or more documents say of every step of every path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steps(Vec<Vec<Said>>);

impl Steps {
    /// What no document says.
    pub(super) fn nothing() -> Self {
        Self(
            PATHS
                .iter()
                .map(|path| vec![Said::default(); path.steps.len()])
                .collect(),
        )
    }

    /// What the entries of a document say.
    pub(super) fn of(entries: &[Entry], place: &Place) -> Self {
        let of_path = |path: &Path| {
            let said = path.steps.iter().map(|(step, on)| {
                let action = step.split_once(':').unwrap_or_default();
                let to = match *step == PASS.0 {
                    true => path.to,
                    false => &[],
                };
                Said::by(entries, action, *on, to, place)
            });
            said.collect()
        };
        Self(PATHS.iter().map(of_path).collect())
    }

    fn each(&mut self, other: &Self, change: impl Fn(&mut Said, Said)) {
        let pairs = self.0.iter_mut().zip(&other.0);
        for (said, other) in pairs.flat_map(|(own, other)| own.iter_mut().zip(other)) {
            change(said, *other);
        }
    }

    /// Adds what another document says.
    pub(super) fn join(&mut self, other: &Self) {
        self.each(other, Said::join);
    }

    /// Takes away what a permissions boundary does not allow.
    pub(super) fn within(&mut self, boundary: &Self) {
        self.each(boundary, Said::within);
    }

    /// The paths that are open, and how freely. One with a step under conditions that may prevent it is not.
    pub(super) fn open_paths(&self) -> Vec<(&'static Path, Strength)> {
        let open = |(path, steps): (&'static Path, &Vec<Said>)| {
            let strengths: Option<Vec<_>> = steps.iter().map(|said| said.strength()).collect();
            let weakest = strengths?.into_iter().max()?;
            (weakest < Strength::Narrowed).then_some((path, weakest))
        };
        PATHS.iter().zip(&self.0).filter_map(open).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{AccountId, Glob, Partition, PolicyDocument};
    use crate::rules::unused_permissions::Catalogue;

    fn open(statements: &str) -> Vec<String> {
        let place = Place {
            partition: Partition::new("aws"),
            account: AccountId::parse("123456789012").unwrap(),
        };
        let text = format!(r#"{{"Statement":[{statements}]}}"#);
        let entries = Entry::of_document(&PolicyDocument::parse(&text).unwrap()).unwrap();
        let open = Steps::of(&entries, &place).open_paths();
        open.into_iter().map(|(path, _)| path.name()).collect()
    }

    fn allow(actions: &[&str]) -> String {
        format!(r#"{{"Effect":"Allow","Action":{actions:?},"Resource":"*"}}"#)
    }

    #[test]
    fn every_step_is_an_action_that_aws_knows() {
        let names: BTreeSet<_> = PATHS.iter().map(Path::name).collect();
        assert_eq!(names.len(), PATHS.len(), "each path once");
        for (step, _) in PATHS.iter().flat_map(|path| path.steps) {
            let (service, action) = step.split_once(':').unwrap();
            let service = Catalogue::compiled_in().service(service).unwrap();
            assert!(service.level_of(&Glob::new(action)).is_some(), "{step}");
        }
        for path in &PATHS {
            assert_eq!(path.steps.contains(&PASS), !path.to.is_empty(), "{}", path.name());
        }
    }

    #[test]
    fn each_path_is_open_by_its_steps_and_by_no_fewer() {
        for path in &PATHS {
            let steps: Vec<_> = path.steps.iter().map(|(step, _)| *step).collect();
            assert!(open(&allow(&steps)).contains(&path.name()), "{}", path.name());
            for left_out in 0..steps.len() {
                let mut fewer = steps.clone();
                fewer.remove(left_out);
                if !fewer.is_empty() {
                    assert!(!open(&allow(&fewer)).contains(&path.name()), "{}", path.name());
                }
            }
        }
    }

    #[test]
    fn resources_and_conditions_close_paths() {
        let pass_to = |resource: &str, condition: &str| {
            open(&format!(
                r#"{{"Effect":"Allow","Action":"iam:PassRole","Resource":"{resource}"{condition}}},
                   {{"Effect":"Allow","Action":["ec2:RunInstances","cloudformation:CreateStack"],"Resource":"*"}}"#
            ))
        };
        assert_eq!(pass_to("*", "").len(), 2);
        assert!(pass_to("arn:aws:iam::123456789012:role/app", "").is_empty());
        let to_ec2 = r#","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}"#;
        assert_eq!(pass_to("*", to_ec2), ["iam:PassRole + ec2:RunInstances"]);
        let own_keys = r#"{"Effect":"Allow","Action":["iam:CreateAccessKey","iam:UpdateLoginProfile"],"Resource":"arn:aws:iam::*:user/${aws:username}"}"#;
        assert!(
            open(own_keys).is_empty(),
            "looking after oneself is no escalation"
        );
        let own_policy = r#"{"Effect":"Allow","Action":"iam:PutUserPolicy","Resource":"arn:aws:iam::*:user/${aws:username}"}"#;
        assert_eq!(open(own_policy), ["iam:PutUserPolicy"]);
    }
}
