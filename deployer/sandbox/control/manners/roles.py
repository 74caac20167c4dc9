"""F3, F21: a new role is not yet to be assumed, nor a principal, and its ARN reads as its unique id at first."""

from __future__ import annotations

import json
import re
import time

from ..manner import Answer, Manner, Refusal, Request
from .made import told

ARN = re.compile(r"arn:[a-z-]+:iam::\d+:role/[\w+=,.@/-]+")


class Young(Manner):
    """Remembers when each role was made, by its ARN."""

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._born: dict[str, float] = {}

    def after(self, request: Request, answer: Answer) -> Answer:
        if str(request) == "iam.CreateRole" and answer[0] == 200:
            self._born[told(answer[2], "Arn") or ""] = time.monotonic()
        return answer

    def age(self, arn: str | None) -> float:
        """Seconds; of one that was there before: for ever."""
        return time.monotonic() - self._born.get(arn or "", -1e9)


class Unassumable(Young):
    name, default = "unassumable", 0.4
    about = "F3: services cannot assume, nor IAM trust, a role that is younger than so many seconds"

    def before(self, request: Request) -> Refusal | Answer | None:
        match str(request):
            case "ecs.RegisterTaskDefinition":
                return self._register(request)
            case "ec2.CreateFlowLogs":
                if self.age(request.params.get("DeliverLogsPermissionArn")) < self.number:
                    return _no_flow_log(request.params.get("ResourceId.1", ""))
            case "iam.CreateRole" | "iam.UpdateAssumeRolePolicy":
                document = request.params.get("AssumeRolePolicyDocument") or request.params.get("PolicyDocument", "")
                for arn in ARN.findall(json.dumps(_principals(document))):
                    if self.age(arn) < self.number:
                        return Refusal("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{arn}"')
        return None

    def _register(self, request: Request) -> Refusal | None:
        for arn in (request.params.get("executionRoleArn"), request.params.get("taskRoleArn")):
            if self.age(arn) < self.number / 2:
                who = f"{str(arn).partition(':role/')[0]}:user/test"
                said = f"User: {who} is not authorized to perform: iam:PassRole on resource: {arn}"
                return Refusal("AccessDeniedException", said)
            if self.age(arn) < self.number:
                return Refusal("ClientException", "Role is not valid")
        return None


class RoleArns(Young):
    name, default = "role-arns", 0.3
    about = "F21: GetRole and ListRoles tell a new role's unique id (AROA...) as its ARN, for so many seconds"

    def after(self, request: Request, answer: Answer) -> Answer:
        answer = super().after(request, answer)
        if str(request) not in ("iam.GetRole", "iam.ListRoles") or answer[0] != 200:
            return answer
        text = answer[2].decode()
        for arn in self._born:
            if self.age(arn) < self.number:
                text = text.replace(f"<Arn>{arn}</Arn>", "<Arn>AROAEXAMPLEEXAMPLE00</Arn>")
        return answer[0], answer[1], text.encode()


def _principals(document: str) -> list[object]:
    try:
        statements = json.loads(document)["Statement"]
        return [one.get("Principal") for one in (statements if isinstance(statements, list) else [statements])]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _no_flow_log(resource: str) -> Answer:
    """200, with the error inside."""
    error = "<code>InvalidParameter</code><message>Unable to assume given IAM role</message>"
    item = f"<item><error>{error}</error><resourceId>{resource}</resourceId></item>"
    content = f"<CreateFlowLogsResponse><flowLogIdSet/><unsuccessful>{item}</unsuccessful></CreateFlowLogsResponse>"
    return 200, [("Content-Type", "text/xml")], content.encode()
