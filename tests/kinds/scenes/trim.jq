# Records a scene: what a live namespace says about a rollout, cut to what `Scene` looks at.
#   kubectl -n NAMESPACE get deployments,replicasets,pods,events -o json | jq -f tests/kinds/scenes/trim.jq
def of($kind): [.items[] | select(.kind == $kind)];
def conditions: {conditions: [.conditions[]? | {type, status, reason, message} | del(..|nulls)]};
def identity: {name, uid, generation, revision: .annotations["deployment.kubernetes.io/revision"], owners: .ownerReferences}
  | {name, uid}
    + (if .generation then {generation} else {} end)
    + (if .revision then {annotations: {"deployment.kubernetes.io/revision": .revision}} else {} end)
    + (if .owners then {ownerReferences: [.owners[] | {apiVersion, kind, name, uid}]} else {} end);
{
  deployment: (of("Deployment")[0] | {
    metadata: (.metadata | identity),
    spec: {replicas: .spec.replicas},
    status: (.status | {observedGeneration, replicas, updatedReplicas, readyReplicas, availableReplicas} + conditions),
  }),
  replica_sets: (of("ReplicaSet") | map({
    metadata: (.metadata | identity | del(.generation)),
    status: (.status | {replicas} + conditions),
  })),
  pods: (of("Pod") | map({
    metadata: (.metadata | identity | del(.generation)),
    status: (.status | conditions + {
      containerStatuses: [.containerStatuses[]? | {name, image, imageID, ready, restartCount, state, lastState}
        | del(.. | .containerID?, .startedAt?, .finishedAt?)],
    }),
  })),
  events: (of("Event") | map({
    metadata: {}, involvedObject: {uid: .involvedObject.uid}, reason, message, lastTimestamp,
  })),
}
