"""Pipelines as people write them: the smallest, patches of it, and one that says everything there is to say."""

from typing import Any

from ruamel.yaml import YAML

GOOD = """
apiVersion: speechpipe.dev/v1alpha1
kind: SpeechPipeline
metadata: {name: test}
spec:
  gateway: {auth: {mode: none}}
"""


def resource(patch: str = "{}") -> dict[str, Any]:
    """`GOOD` with a patch (RFC 7386) merged over it."""
    document: dict[str, Any] = merged(parsed(GOOD), parsed(patch))
    return document


def parsed(text: str) -> Any:
    """YAML as plain values."""
    return YAML(typ="safe", pure=True).load(text)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386: mappings are merged, null removes, anything else replaces."""
    if not (isinstance(target, dict) and isinstance(patch, dict)):
        return patch
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key, {}), value)
    return result


EVERYTHING = [
    """
metadata: {name: everything-that-a-pipeline-can-be-told, labels: {team: captions}}
spec:
  languages: {source: pt, targets: [en, 'no', yue]}
  redis:
    managed:
      memory: 16Gi
      persistence: always
      storage: {size: 64Gi, storageClassName: fast}
      resources: {requests: {cpu: 1, memory: 20Gi}, limits: {memory: 20Gi}}
      podTemplate: {metadata: {annotations: {a/b: c}}, spec: {tolerations: [{key: a, operator: Exists}]}}
    keyPrefix: 'team-a:'
  gateway:
    autoscaling: {minReplicas: 2, maxReplicas: 9, cpuPercent: 60}
    port: 443
    vad:
      silenceThresholdMilliseconds: 1000
      candidateMilliseconds: 1000
      preSpeechBufferMilliseconds: 500
      longestSegmentMilliseconds: 28000
      minimumSpeechMilliseconds: 0
      webrtcSensitivity: 0
      sileroSensitivityPercent: 95
    limits: {sessions: 50, sessionsPerKey: 5, queueDepth: 1000000}
    auth:
      mode: required
      secretRef: {name: api.keys, key: keys.txt}
      jwks:
        url: 'https://login.example.com/keys'
        issuer: 'https://login.example.com/'
        audience: speechpipe
        algorithms: [RS256, ES256, EdDSA]
        subjectClaim: email
    allowedOrigins: ['*', 'https://a.example']
    service: {type: LoadBalancer, port: 443, nodePort: 30443, loadBalancerClass: a.b/c, annotations: {a.b/c: 'd e'}}
    ingress: {host: '*.example.com', className: nginx, tlsSecretName: tls, annotations: {a.b/c: d}}
    httpRoute:
      parentRefs: [{name: public, namespace: gateways, sectionName: https}]
      hostnames: [a.example.com, b.example.com]
    resources: {requests: {cpu: 500m}}
    podTemplate: {spec: {containers: [{name: gateway, volumeMounts: [{$patch: delete, mountPath: /tmp}]}]}}
    env: {LOG_LEVEL: debug}
  stt:
    autoscaling:
      mode: external
      minReplicas: 0
      maxReplicas: 1000
      drainSeconds: 1
      utilizationPercent: 100
      speedPercent: 100000
      stabilizationSeconds: 0
      cooldownSeconds: 0
      scaleDownPercent: 100
    model: org/model
    device: cuda
    computeType: int8_float16
    beamSize: 20
    vadFilter: false
    normalizeAudio: true
    batch: {maxSize: 64}
    gpu:
      resourceName: nvidia.com/mig-1g.10gb
      count: 16
      runtimeClassName: nvidia
      nodeSelector: {nvidia.com/gpu.present: 'true'}
      tolerations:
      - {key: gpu, value: a, effect: NoSchedule}
      - {operator: Exists}
      topologySpread: zone
      dra: {deviceClassName: gpu.nvidia.com, selectors: ["device.attributes['gpu.nvidia.com'].type == 'gpu'"]}
    modelCache: {pvc: {size: 1Ti, storageClassName: shared, accessMode: ReadWriteOnce, claimName: models}}
    offline: true
    startupSeconds: 10
    resources: {limits: {nvidia.com/gpu: 1}}
    podTemplate: {spec: {hostname: a, nodeName: b}}
    env: {CPU_THREADS: '2'}
  translation:
    replicas: 0
    engine: ctranslate2
    model: opus-mt-tc-big
    modelDirectory: /models/opus
    pivots: []
    device: cpu
    modelCache: {image: {reference: 'r.example:5000/models@sha256:00', path: /m}}
  images:
    registry: r.example:5000/a/b
    tag: v1
    gateway: a
    stt: b:1
    translation: c@sha256:0
    redis: d
    pullPolicy: Always
    pullSecrets: [a, b]
  monitoring:
    podMonitor: disabled
    interval: 1h
    labels: {a: b}
    tracing: {endpoint: 'https://otel.example.com/in', samplePercent: 100}
  networkPolicies: {enabled: false, gatewayFrom: [a, b], operatorNamespace: c}
  proxy: {httpProxy: 'http://p', httpsProxy: 'http://p', noProxy: 'a,b'}
  caBundle: {configMap: ca, key: bundle.pem}
  priorityClassName: high
  podTemplate: {metadata: {labels: {a: b}}}
  paused: true
""",
    """
spec:
  redis: {external: {secretRef: {name: redis, key: url}}}
  gateway: {replicas: 0}
  stt: {replicas: 2, gpu: {}, modelCache: {emptyDir: {sizeLimit: 5Gi}}}
  translation: {autoscaling: {}, gpu: {dra: {deviceClassName: a}}, modelCache: {pvc: {}}}
  proxy: {}
  caBundle: {secret: ca}
""",
]
"""Patches of `GOOD` that set every field there is, and those that exclude each other apart."""
