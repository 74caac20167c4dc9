"""deployer: from a Dockerfile and a deploy.yaml to a running stack on AWS Fargate, and back to nothing.

    deploy.yaml ── config.load ──▶ Config ── stack.build ──▶ [Resource ...]     what is wanted; references unresolved
    state file  ── State.open  ──▶ State  ── refresh     ──▶ what still exists  few batched reads, in parallel
                     resources × state ── plan.make ──▶ Plan                    pure data: steps, changes, removals
                                  Plan ── preflight  ──▶ problems, all at once: names, quotas, secrets, images
                                  Plan ── questions  ──▶ the user agrees
                                  Plan ── prepare    ──▶ images built; the account is untouched
                                  Plan ── apply      ──▶ AWS                    resolve references → verbs → State.put
                                      every event    ──▶ console / JSON         the engine prints nothing

Where to read: `resource` (what a type is), `state` (the record), `plan` (what to do and why), `walk` and `apply` (doing
it), a quarter of an hour in all; then any file of `resources/`, one AWS object each.

    cli/        a command per file; the one place where errors are printed
    config      deploy.yaml → typed, frozen (document: YAML with lines · text: ${...} · model, fields: the keys ·
                checks: what keys say together · template: `init`)
    stack       Config → resources: the topology (network · balancing · workload · access: who may talk to whom ·
                place: where it stands)
    resource    Resource, Ref, resolve: what a type is; `resources/`: the types
    plan        wanted × recorded → Plan; pure (drift: what in the account is not as recorded)
    apply       the five actions around the graph walk (walk), with patience (patience); making: creates, once only;
                prepare: images built before the account is touched; events: what a run tells
    removal     one object's way out; hold, blocking/: who keeps it from going; sweep: what is left in the end
    refresh     what of the record still exists; what in the account carries our tags
    recover     a record that is lost or older than the account, made again from tags
    state       State, Record; atomic save, guards; lock: one run at a time
    documents   policy documents, compared by what they say
    aws         clients, tags, names, partition; AWS's errors told apart;  caller: who we are, and where;  shared:
                reads of several that are sent once
    preflight/  what would stand in the way, all of it at once, before anything is changed
    image       Docker: context hash (context), build, push, digest
    rollout     a deployment of a service, followed to its end (asked: which one it is); ecs: reading services
    verdict/    why a rollout failed: evidence, gathered while it exists, and the causes that are recognised in it
    status      what runs, whether it is healthy, and why not
    operate     restart and rollback; logs, oneoff (a task of its own), shell (ECS Exec); timeline: where the time went
    grants      what AWS has to allow for a call, declared beside it; policy/: an IAM policy of all that
    sandbox/    an AWS on this machine, of which nothing outside cli/ knows
    settings    the common options
    console     live progress, plain lines or JSON; report, departure: plans, status and records as text

Imports run one way: cli → console, report → apply → plan, refresh → state, resource; stack → resources → resource, aws.

Rules that hold everywhere: an edge is a reference in the data. A resource is one AWS object. A create is four saves:
intent, id, configured, usable. Creating calls are never repeated blindly: after a lost answer the object is found by
its tags. First grow, then shrink. A failure stops only what depends on it. Destroying is a plan for nothing. What does
not carry the stack's own id is never touched. Waiting is data: (code, words, seconds) on each type.
"""

__version__ = "0.1.0"
