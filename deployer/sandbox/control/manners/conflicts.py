"""Two changes of one thing at once: AWS refuses the second, though nobody but we changes anything."""

from __future__ import annotations

from ..manner import Manner, Refusal, Request

BUSY = {  # call: what names the thing, and AWS's words
    "logs.PutRetentionPolicy": ("logGroupName", "OperationAbortedException",
                                "A conflicting operation is currently in progress against this resource.", 400),
    "logs.DeleteLogGroup": ("logGroupName", "OperationAbortedException",
                            "A conflicting operation is currently in progress against this resource.", 400),
    "iam.PutRolePolicy": ("RoleName", "ConcurrentModification",
                          "The request was rejected because multiple requests to change this object were submitted "
                          "simultaneously.", 409),
    "iam.DeleteRole": ("RoleName", "DeleteConflict", "Cannot delete entity, must delete policies first.", 409),
    "elbv2.ModifyTargetGroupAttributes": ("TargetGroupArn", "PriorRequestNotComplete", "The request is not complete",
                                          429),
    "ecs.DeleteCluster": ("cluster", "UpdateInProgressException", "There is already a current Amazon ECS container "
                          "agent update in progress.", 400),
    "ecs.DeleteService": ("service", "InvalidParameterException", "The service cannot be stopped while deployments are "
                          "active.", 400),
}  # fmt: skip


class Conflicts(Manner):
    name, default = "conflicts", 1
    about = "so many times in the life of each thing a change of it meets another that nobody has asked for"

    def __init__(self, number: float | None = None) -> None:
        super().__init__(number)
        self._met: dict[tuple[str, str], int] = {}

    def before(self, request: Request) -> Refusal | None:
        if str(request) not in BUSY:
            return None
        field, code, message, status = BUSY[str(request)]
        thing = (str(request), str(request.params.get(field)))
        self._met[thing] = self._met.get(thing, 0) + 1
        return Refusal(code, message, status) if self._met[thing] <= self.number else None
