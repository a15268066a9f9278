// Reads cases as JSON from stdin: [{"policies": {"before": {…}, "after": {…}}, "requests": [{"action", "resource", "context"}]}].
// Writes, for each case and policy, "Allowed", "ImplicitlyDenied" or "ExplicitlyDenied" of each request.
//
//     node judge.cjs FOLDER        where FOLDER/node_modules has the evaluator
"use strict";

const { createRequire } = require("node:module");
const { resolve } = require("node:path");
const { text } = require("node:stream/consumers");

const folder = resolve(process.argv[2]);
const load = createRequire(`${folder}/package.json`);
const { createValidatedPolicy, validateIdentityPolicy } = load("@cloud-copilot/iam-policy");
const { runSimulation } = load("@cloud-copilot/iam-simulate");

// Nothing of a key is allowed that its own policy does not leave to IAM.
function policyOfTheKey(account) {
  const principal = { AWS: `arn:aws:iam::${account}:root` };
  return {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: principal, Action: "kms:*", Resource: "*" }],
  };
}

async function judged(policy, request, principal) {
  const account = principal.split(":")[4];
  const answer = await runSimulation(
    {
      request: {
        principal,
        action: request.action,
        resource: { resource: request.resource, accountId: account },
        contextVariables: request.context,
      },
      identityPolicies: [{ name: "policy", policy }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      resourcePolicy: request.resource.startsWith("arn:aws:kms:") ? policyOfTheKey(account) : undefined,
    },
    { simulationMode: "Strict" },
  );
  if (answer.resultType === "error") {
    throw new Error(`${request.action} on ${request.resource}: ${JSON.stringify(answer.errors)} by ${JSON.stringify(policy.policy)}`);
  }
  return answer.overallResult;
}

async function main() {
  const { principal, cases } = JSON.parse(await text(process.stdin));
  const verdicts = [];
  for (const { policies, requests } of cases) {
    const of = {};
    for (const [name, policy] of Object.entries(policies)) {
      const checked = createValidatedPolicy(policy, validateIdentityPolicy);
      of[name] = [];
      for (const request of requests) {
        of[name].push(await judged(checked, request, principal));
      }
    }
    verdicts.push(of);
  }
  process.stdout.write(JSON.stringify(verdicts));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
