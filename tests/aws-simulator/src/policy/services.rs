//! The services Access Advisor knows here: a modest selection of the several hundred at AWS, and of the actions it tracks.

use std::collections::{BTreeMap, BTreeSet};

/// Namespace, name, and the tracked actions among its actions. Sorted by namespace.
static SERVICES: &[(&str, &str, &[&str])] = &[
    ("access-analyzer", "AWS IAM Access Analyzer", &[]),
    ("account", "AWS Account Management", &[]),
    ("acm", "AWS Certificate Manager", &[]),
    ("amplify", "AWS Amplify", &[]),
    ("apigateway", "Amazon API Gateway", &[]),
    ("application-autoscaling", "AWS Application Auto Scaling", &[]),
    ("appsync", "AWS AppSync", &[]),
    ("athena", "Amazon Athena", &[]),
    ("autoscaling", "Amazon EC2 Auto Scaling", &[]),
    ("aws-portal", "AWS Billing Console", &[]),
    ("backup", "AWS Backup", &[]),
    ("batch", "AWS Batch", &[]),
    ("bedrock", "Amazon Bedrock", &[]),
    ("budgets", "AWS Budget Service", &[]),
    ("ce", "AWS Cost Explorer Service", &[]),
    (
        "cloudformation",
        "AWS CloudFormation",
        &["CreateStack", "DeleteStack", "DescribeStacks", "UpdateStack"],
    ),
    ("cloudfront", "Amazon CloudFront", &[]),
    ("cloudtrail", "AWS CloudTrail", &[]),
    ("cloudwatch", "Amazon CloudWatch", &[]),
    ("codebuild", "AWS CodeBuild", &[]),
    ("codecommit", "AWS CodeCommit", &[]),
    ("codedeploy", "AWS CodeDeploy", &[]),
    ("codepipeline", "AWS CodePipeline", &[]),
    ("cognito-idp", "Amazon Cognito User Pools", &[]),
    ("config", "AWS Config", &[]),
    ("cur", "AWS Cost and Usage Report", &[]),
    ("dax", "Amazon DynamoDB Accelerator (DAX)", &[]),
    (
        "dynamodb",
        "Amazon DynamoDB",
        &["CreateTable", "DeleteTable", "DescribeTable", "ListTables"],
    ),
    ("ebs", "Amazon Elastic Block Store", &[]),
    (
        "ec2",
        "Amazon EC2",
        &[
            "AllocateAddress",
            "AuthorizeSecurityGroupIngress",
            "CreateSecurityGroup",
            "CreateVolume",
            "DeleteVolume",
            "RunInstances",
            "StartInstances",
            "StopInstances",
        ],
    ),
    ("ec2messages", "Amazon Message Delivery Service", &[]),
    (
        "ecr",
        "Amazon Elastic Container Registry",
        &["DescribeRepositories", "GetAuthorizationToken"],
    ),
    (
        "ecs",
        "Amazon Elastic Container Service",
        &[
            "CreateService",
            "DescribeServices",
            "RegisterTaskDefinition",
            "RunTask",
            "UpdateService",
        ],
    ),
    ("eks", "Amazon Elastic Kubernetes Service", &[]),
    ("elasticache", "Amazon ElastiCache", &[]),
    ("elasticfilesystem", "Amazon Elastic File System", &[]),
    ("elasticloadbalancing", "AWS Elastic Load Balancing", &[]),
    ("elasticmapreduce", "Amazon EMR", &[]),
    ("es", "Amazon OpenSearch Service", &[]),
    ("events", "Amazon EventBridge", &[]),
    ("firehose", "Amazon Kinesis Data Firehose", &[]),
    ("glacier", "Amazon S3 Glacier", &[]),
    ("glue", "AWS Glue", &[]),
    ("guardduty", "Amazon GuardDuty", &[]),
    ("health", "AWS Health APIs and Notifications", &[]),
    (
        "iam",
        "AWS Identity and Access Management",
        &[
            "AttachRolePolicy",
            "AttachUserPolicy",
            "CreateAccessKey",
            "CreatePolicy",
            "CreateRole",
            "CreateUser",
            "DeleteAccessKey",
            "DeleteRole",
            "DeleteUser",
            "DetachRolePolicy",
            "DetachUserPolicy",
            "GetRole",
            "GetUser",
            "ListAccessKeys",
            "ListRoles",
            "ListUsers",
            "UpdateAccessKey",
            "UpdateAccountPasswordPolicy",
        ],
    ),
    ("inspector2", "Amazon Inspector2", &[]),
    ("kinesis", "Amazon Kinesis", &[]),
    (
        "kms",
        "AWS Key Management Service",
        &[
            "CreateKey",
            "Decrypt",
            "DescribeKey",
            "Encrypt",
            "GenerateDataKey",
            "ListKeys",
            "ScheduleKeyDeletion",
        ],
    ),
    (
        "lambda",
        "AWS Lambda",
        &[
            "CreateFunction",
            "DeleteFunction",
            "GetFunction",
            "ListFunctions",
            "UpdateFunctionCode",
        ],
    ),
    ("logs", "Amazon CloudWatch Logs", &[]),
    ("oam", "Amazon CloudWatch Observability Access Manager", &[]),
    ("organizations", "AWS Organizations", &[]),
    ("pi", "AWS Performance Insights", &[]),
    ("quicksight", "Amazon QuickSight", &[]),
    (
        "rds",
        "Amazon RDS",
        &[
            "CreateDBSnapshot",
            "DeleteDBInstance",
            "DescribeDBInstances",
            "ModifyDBInstance",
        ],
    ),
    ("rds-data", "Amazon RDS Data API", &[]),
    ("redshift", "Amazon Redshift", &[]),
    ("resource-groups", "AWS Resource Groups", &[]),
    ("route53", "Amazon Route 53", &[]),
    ("rum", "AWS CloudWatch RUM", &[]),
    (
        "s3",
        "Amazon S3",
        &[
            "CreateBucket",
            "DeleteBucket",
            "DeleteBucketPolicy",
            "GetBucketPolicy",
            "ListAllMyBuckets",
            "PutBucketPolicy",
            "PutBucketVersioning",
        ],
    ),
    ("s3-object-lambda", "Amazon S3 Object Lambda", &[]),
    ("sagemaker", "Amazon SageMaker", &[]),
    ("scheduler", "Amazon EventBridge Scheduler", &[]),
    (
        "secretsmanager",
        "AWS Secrets Manager",
        &[
            "CreateSecret",
            "DeleteSecret",
            "DescribeSecret",
            "GetSecretValue",
            "ListSecrets",
        ],
    ),
    ("securityhub", "AWS Security Hub", &[]),
    ("servicediscovery", "AWS Cloud Map", &[]),
    ("servicequotas", "Service Quotas", &[]),
    ("ses", "Amazon Simple Email Service", &[]),
    ("sns", "Amazon SNS", &[]),
    (
        "sqs",
        "Amazon SQS",
        &["CreateQueue", "DeleteQueue", "GetQueueAttributes", "ListQueues"],
    ),
    (
        "ssm",
        "AWS Systems Manager",
        &[
            "DescribeParameters",
            "GetParameter",
            "GetParameters",
            "PutParameter",
            "SendCommand",
            "StartSession",
        ],
    ),
    (
        "ssmmessages",
        "Amazon Session Manager Message Gateway Service",
        &[],
    ),
    ("sso", "AWS IAM Identity Center", &[]),
    ("states", "AWS Step Functions", &[]),
    ("sts", "AWS Security Token Service", &["AssumeRole"]),
    ("support", "AWS Support", &[]),
    ("synthetics", "Amazon CloudWatch Synthetics", &[]),
    ("tag", "Amazon Resource Group Tagging API", &[]),
    ("transfer", "AWS Transfer Family", &[]),
    ("trustedadvisor", "AWS Trusted Advisor", &[]),
    ("waf", "AWS WAF", &[]),
    ("wafv2", "AWS WAF V2", &[]),
    ("xray", "AWS X-Ray", &[]),
];

/// The services of an account and what is tracked of them: as in the list, but for what a seed says instead.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    services: BTreeMap<String, Service>,
}

/// A service in a catalogue.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// The actions that Access Advisor tracks.
    pub(crate) tracked: BTreeSet<String>,
    /// Whether these are all, whatever was used.
    exact: bool,
}

impl Catalogue {
    /// The list, with the tracked actions that seeds give for some services; the later seed counts.
    pub(crate) fn with<'a>(seeds: impl IntoIterator<Item = &'a BTreeMap<String, Vec<String>>>) -> Self {
        let listed = |(namespace, name, tracked): &(&str, &str, &[&str])| {
            let service = Service {
                name: (*name).to_owned(),
                tracked: tracked.iter().map(|action| (*action).to_owned()).collect(),
                exact: false,
            };
            ((*namespace).to_owned(), service)
        };
        let mut services: BTreeMap<String, Service> = SERVICES.iter().map(listed).collect();
        for (namespace, actions) in seeds.into_iter().flatten() {
            let name = services
                .get(namespace)
                .map_or_else(|| namespace.clone(), |service| service.name.clone());
            let service = Service {
                name,
                tracked: actions.iter().cloned().collect(),
                exact: true,
            };
            services.insert(namespace.clone(), service);
        }
        Self { services }
    }

    pub(crate) fn get(&self, namespace: &str) -> Option<&Service> {
        self.services.get(namespace)
    }

    /// The names of a service's actions that were used: they are tracked, unless a seed says which ones are.
    pub(crate) fn track_used<'a>(&mut self, namespace: &str, actions: impl IntoIterator<Item = &'a String>) {
        if let Some(service) = self.services.get_mut(namespace).filter(|service| !service.exact) {
            service.tracked.extend(actions.into_iter().cloned());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Service)> {
        self.services
            .iter()
            .map(|(namespace, service)| (namespace.as_str(), service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_names_no_service_twice() {
        assert!(SERVICES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_seed_says_what_is_tracked_and_adds_services() {
        let of = |namespace: &str, actions: &[&str]| {
            BTreeMap::from([(
                namespace.to_owned(),
                actions.iter().map(|&action| action.to_owned()).collect(),
            )])
        };
        let (account, own) = (of("s3", &["GetObject"]), of("new", &[]));
        let mut catalogue = Catalogue::with([&account, &own]);
        let used = ["PutObject".to_owned()];
        for namespace in ["s3", "sqs", "none"] {
            catalogue.track_used(namespace, &used);
        }
        let tracked = |namespace| catalogue.get(namespace).map(|service| service.tracked.clone());
        assert_eq!(
            tracked("s3"),
            Some(BTreeSet::from(["GetObject".to_owned()])),
            "exact"
        );
        assert!(tracked("sqs").is_some_and(|tracked| tracked.contains("PutObject")));
        assert_eq!(tracked("new"), Some(BTreeSet::new()));
        assert!(tracked("none").is_none());
        assert_eq!(
            catalogue.get("s3").map(|service| service.name.as_str()),
            Some("Amazon S3")
        );
    }
}
