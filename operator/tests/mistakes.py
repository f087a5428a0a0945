"""Mistakes that people make in a pipeline, and what they are told: by the API server, and on one machine."""

from typing import NamedTuple


class Mistake(NamedTuple):
    """A patch of `GOOD` (null removes), the field that is blamed, what the API server says, and what load.py says.

    An empty ``local`` means the same words. The API server blames the same field, but for what it calls unknown.
    """

    patch: str
    where: str
    api: str
    local: str = ""


NAME_41 = "x" * 41
NOT_BOTH = "give replicas or autoscaling, not both"
OPERATORS = "belongs to the operator; remove it"

FOR_US = "issuer: 'https://a.b', audience: speechpipe"


def jwks(fields: str) -> str:
    """A patch that asks for tokens; ``fields`` come on top of an issuer and an audience."""
    said = dict(part.split(": ", 1) for part in (*FOR_US.split(", "), *fields.split(", ")))
    shown = ", ".join(f"{name}: {value}" for name, value in said.items() if value != "null")
    return f"spec: {{gateway: {{auth: {{mode: null, jwks: {{{shown}}}}}}}}}"


MISTAKES = [
    # The document
    Mistake("spec: null", "spec", "Required value", "required, but missing"),
    Mistake("spec: 5", "spec", "must be of type object", "needs a mapping, not 5"),
    Mistake("spec: {sst: {}}", "spec.sst", "unknown field", "did you mean stt?"),
    Mistake("spec: {stt: {modle: base}}", "spec.stt.modle", "unknown field", "did you mean model?"),
    Mistake("spec: {stt: {beam_size: 1}}", "spec.stt.beam_size", "unknown field", "did you mean beamSize?"),
    Mistake("spec: {gateway: {vad: {silence: 1}}}", "spec.gateway.vad.silence", "unknown field", "allowed: "),
    # Names
    Mistake(f"metadata: {{name: {NAME_41}}}", "metadata.name", "at most 40 characters"),
    Mistake("metadata: {name: a.b}", "metadata.name", "small letters, digits and hyphens, a letter first"),
    Mistake("metadata: {name: 1st}", "metadata.name", "small letters, digits and hyphens, a letter first"),
    # Languages
    Mistake("spec: {languages: {source: klingon}}", "spec.languages.source", "klingon"),
    Mistake(
        "spec: {languages: {source: xx}}", "spec.languages.source", "xx is unknown or can't be", "unknown language"
    ),
    Mistake("spec: {languages: {source: EN}}", "spec.languages.source", "EN is unknown", "write 'en' for English"),
    Mistake("spec: {languages: {source: zu}}", "spec.languages.source", "can't be transcribed"),
    Mistake("spec: {languages: {targets: [es, xx]}, translation: {}}", "targets[1]", "unknown language", ""),
    Mistake("spec: {languages: {targets: [es, es]}, translation: {}}", "targets", "given more than once"),
    Mistake("spec: {languages: {targets: es}, translation: {}}", "targets", "must be of type array", "needs a list"),
    Mistake("spec: {languages: {targets: [false]}, translation: {}}", "targets[0]", "type string", "needs text"),
    Mistake("spec: {languages: {source: en, targets: [en]}, translation: {}}", "spec.languages", "source must not be"),
    Mistake("spec: {languages: {targets: [es]}}", "spec", "languages.targets asks for translations, but there is no"),
    Mistake("spec: {translation: {pivots: [en, qq]}}", "spec.translation.pivots[1]", "unknown language"),
    Mistake("spec: {translation: {pivots: [en, en]}}", "spec.translation.pivots", "given more than once"),
    # Redis
    Mistake("spec: {redis: {}}", "spec.redis", "give exactly one of managed and external"),
    Mistake(
        "spec: {redis: {managed: {}, external: {url: 'redis://r'}}}",
        "spec.redis",
        "exactly one of managed and external",
    ),
    Mistake("spec: {redis: {external: {}}}", "spec.redis.external", "give exactly one of url and secretRef"),
    Mistake(
        "spec: {redis: {external: {url: 'redis://r', secretRef: {name: a, key: b}}}}",
        "spec.redis.external",
        "give exactly one of url and secretRef",
    ),
    Mistake("spec: {redis: {external: {url: 'http://r'}}}", "spec.redis.external.url", "no Redis address"),
    Mistake("spec: {redis: {external: {secretRef: {name: a}}}}", "secretRef.key", "Required value", "missing"),
    Mistake("spec: {redis: {external: {secretRef: {name: A_B, key: k}}}}", "secretRef.name", "match", "not allowed"),
    Mistake("spec: {redis: {managed: {memory: 1GB}}}", "managed.memory", "no amount of memory; write a whole number"),
    Mistake("spec: {redis: {managed: {memory: 1.5Gi}}}", "managed.memory", "1.5Gi", "'1.5Gi' is no amount of memory"),
    Mistake("spec: {redis: {managed: {memory: 512}}}", "managed.memory", "must be of type string", "needs text"),
    Mistake(
        "spec: {redis: {managed: {memory: 16Gi}}}", "spec.redis.managed", "storage.size must not be less than memory"
    ),
    Mistake("spec: {redis: {managed: {persistence: daily}}}", "persistence", '"everysec"', "allowed: everysec"),
    Mistake("spec: {redis: {managed: {storage: {size: 10 GB}}}}", "storage.size", "no amount of memory"),
    Mistake("spec: {redis: {managed: {}, keyPrefix: 'a b'}}", "spec.redis.keyPrefix", "should match", "not allowed"),
    # Gateways
    Mistake("spec: {gateway: {auth: null}}", "spec.gateway.auth", "Required value", "required, but missing"),
    Mistake(
        "spec: {gateway: {auth: {mode: 'off'}}}", "auth.mode", 'supported values: "required", "none"', "'off' is not"
    ),
    Mistake(
        "spec: {gateway: {auth: {mode: oidc}}}",
        "auth.mode",
        'supported values: "required", "none"',
        "allowed: required",
    ),
    Mistake("spec: {gateway: {auth: {mode: required}}}", "spec.gateway.auth", "mode required needs secretRef or jwks"),
    Mistake(
        "spec: {gateway: {auth: {secretRef: {name: a, key: b}}}}",
        "spec.gateway.auth",
        "secretRef and jwks mean nothing with mode none",
    ),
    Mistake("spec: {gateway: {auth: {mode: null}}}", "spec.gateway.auth", "mode required needs secretRef or jwks"),
    Mistake(
        f"spec: {{gateway: {{auth: {{jwks: {{url: 'https://a.b/c', {FOR_US}}}}}}}}}",
        "spec.gateway.auth",
        "secretRef and jwks mean nothing with mode none",
    ),
    Mistake(jwks("url: 'http://a.b/keys'"), "spec.gateway.auth.jwks.url", "no address of signing keys; write https"),
    Mistake(jwks("url: 'https://me:pw@a.b/keys'"), "spec.gateway.auth.jwks.url", "no address of signing keys"),
    Mistake(jwks("url: keys.json"), "spec.gateway.auth.jwks.url", "no address of signing keys"),
    Mistake(jwks("url: 'https://a.b', audience: null"), "jwks.audience", "Required value", "required, but missing"),
    Mistake(jwks("url: 'https://a.b', issuer: ''"), "jwks.issuer", "at least 1 chars", "at least 1 characters"),
    Mistake(jwks("url: 'https://a.b', algorithms: [HS256]"), "algorithms[0]", 'values: "RS256"', "'HS256' is not"),
    Mistake(jwks("url: 'https://a.b', algorithms: []"), "jwks.algorithms", "at least 1 items", "at least 1 entries"),
    Mistake(jwks("url: 'https://a.b', algorithms: [RS256,RS256]"), "algorithms", "Duplicate value", "more than once"),
    Mistake(jwks("url: 'https://a.b', subjectClaim: a b"), "jwks.subjectClaim", "should match", "not allowed"),
    Mistake(jwks("url: 'https://a.b', jku: 'https://a.b'"), "spec.gateway.auth.jwks.jku", "unknown field", "allowed: "),
    Mistake("spec: {gateway: {port: 70000}}", "spec.gateway.port", "less than or equal to 65535", "at most 65535"),
    Mistake("spec: {gateway: {port: '5026'}}", "spec.gateway.port", "of type integer", "needs a whole number"),
    Mistake("spec: {gateway: {replicas: -1}}", "spec.gateway.replicas", "greater than or equal to 0", "at least 0"),
    Mistake("spec: {gateway: {replicas: 2, autoscaling: {}}}", "spec.gateway", NOT_BOTH),
    Mistake(
        "spec: {gateway: {autoscaling: {minReplicas: 5, maxReplicas: 2}}}",
        "spec.gateway.autoscaling",
        "minReplicas must not be more than maxReplicas",
    ),
    Mistake(
        "spec: {gateway: {autoscaling: {minReplicas: 0}}}", "minReplicas", "greater than or equal to 1", "at least 1"
    ),
    Mistake(
        "spec: {gateway: {vad: {candidateMilliseconds: 900}}}",
        "spec.gateway.vad",
        "candidateMilliseconds must not be more than silenceThresholdMilliseconds",
    ),
    Mistake(
        "spec: {gateway: {vad: {silenceThresholdMilliseconds: 9000, longestSegmentMilliseconds: 9000}}}",
        "spec.gateway.vad",
        "silenceThresholdMilliseconds must be less than longestSegmentMilliseconds",
    ),
    Mistake(
        "spec: {gateway: {vad: {webrtcSensitivity: 4}}}", "webrtcSensitivity", "less than or equal to 3", "at most 3"
    ),
    Mistake("spec: {gateway: {limits: {sessions: 1.5}}}", "limits.sessions", "must be of type integer", "whole number"),
    Mistake("spec: {gateway: {allowedOrigins: [example.com]}}", "allowedOrigins[0]", "should match", "not allowed"),
    Mistake("spec: {gateway: {allowedOrigins: ['*', '*']}}", "allowedOrigins", "Duplicate value", "more than once"),
    Mistake("spec: {gateway: {service: {type: Public}}}", "service.type", '"NodePort"', "NodePort"),
    Mistake("spec: {gateway: {service: {nodePort: 30080}}}", "spec.gateway.service", "nodePort needs type NodePort or"),
    Mistake(
        "spec: {gateway: {service: {loadBalancerClass: a/b}}}", "spec.gateway.service", "loadBalancerClass needs type"
    ),
    Mistake(
        "spec: {gateway: {service: {annotations: {a b: c}}}}", "annotations", "a b: no key of a label or", "no key of a"
    ),
    Mistake("spec: {gateway: {ingress: {}}}", "spec.gateway.ingress.host", "Required value", "required, but missing"),
    Mistake("spec: {gateway: {ingress: {host: 'https://a.b'}}}", "ingress.host", "should match", "not allowed"),
    Mistake("spec: {gateway: {ingress: {host: a..b}}}", "spec.gateway.ingress.host", "should match", "not allowed"),
    Mistake("spec: {gateway: {httpRoute: {parentRefs: []}}}", "parentRefs", "at least 1 items", "at least 1 entries"),
    Mistake("spec: {gateway: {env: {redis_url: x}}}", "spec.gateway.env", "capital letters, digits and underscores"),
    Mistake("spec: {gateway: {env: {REDIS_URL: x}}}", "spec.gateway.env", "set by the pipeline itself; remove it here"),
    Mistake("spec: {stt: {env: {REDIS_PASSWORD: x}}}", "spec.stt.env", "set by the pipeline itself; remove it here"),
    Mistake("spec: {gateway: {env: {DRAIN_SECONDS: 5}}}", "env.DRAIN_SECONDS", "must be of type string", "needs text"),
    # Workers
    Mistake("spec: {stt: {replicas: 2, autoscaling: {}}}", "spec.stt", NOT_BOTH),
    Mistake("spec: {translation: {replicas: 2, autoscaling: {}}}", "spec.translation", NOT_BOTH),
    Mistake("spec: {stt: {autoscaling: {maxReplicas: 0}}}", "maxReplicas", "greater than or equal to 1", "at least 1"),
    Mistake(
        "spec: {translation: {autoscaling: {minReplicas: 5}}}",
        "spec.translation.autoscaling",
        "minReplicas must not be more than maxReplicas",
    ),
    Mistake(
        "spec: {stt: {autoscaling: {mode: keda}}}", "autoscaling.mode", 'supported values: "auto"', "allowed: auto"
    ),
    Mistake("spec: {stt: {model: ''}}", "spec.stt.model", "at least 1 chars", "at least 1 characters"),
    Mistake("spec: {stt: {device: gpu}}", "spec.stt.device", 'supported values: "auto", "cpu", "cuda"', "'gpu' is not"),
    Mistake("spec: {stt: {beamSize: 0}}", "spec.stt.beamSize", "greater than or equal to 1", "at least 1"),
    Mistake("spec: {stt: {batch: {maxSize: 65}}}", "batch.maxSize", "less than or equal to 64", "at most 64"),
    Mistake("spec: {stt: {device: cpu, gpu: {}}}", "spec.stt", "gpu asks for accelerators that device cpu leaves idle"),
    Mistake("spec: {stt: {gpu: {count: 0}}}", "spec.stt.gpu.count", "greater than or equal to 1", "at least 1"),
    Mistake("spec: {stt: {gpu: {resourceName: 'nvidia gpu'}}}", "gpu.resourceName", "no name of a resource"),
    Mistake("spec: {stt: {gpu: {tolerations: [{}]}}}", "tolerations[0]", "operator Equal needs a key"),
    Mistake(
        "spec: {stt: {gpu: {tolerations: [{operator: Exists, value: x}]}}}", "tolerations[0]", "Exists takes no value"
    ),
    Mistake("spec: {stt: {gpu: {nodeSelector: {gpu: true}}}}", "nodeSelector.gpu", "of type string", "needs text"),
    Mistake("spec: {stt: {gpu: {dra: {}}}}", "dra.deviceClassName", "Required value", "required, but missing"),
    Mistake(
        "spec: {stt: {gpu: {topologySpread: rack}}}", "topologySpread", 'supported values: "none"', "allowed: none"
    ),
    Mistake("spec: {stt: {modelCache: {pvc: {}, emptyDir: {}}}}", "modelCache", "give at most one of pvc, image and"),
    Mistake("spec: {stt: {modelCache: {image: {reference: 'a b'}}}}", "image.reference", "should match", "not allowed"),
    Mistake(
        "spec: {stt: {modelCache: {hostPath: /models}}}", "hostPath", "unknown field", "allowed: pvc, image, emptyDir"
    ),
    Mistake("spec: {stt: {resources: {requests: {cpu: 1 core}}}}", "requests", "no quantity; write a number and"),
    Mistake(
        "spec: {stt: {resources: {requests: {cpu: 0.5}}}}", "requests.cpu", "integer,string", "needs text, not 0.5"
    ),
    Mistake("spec: {stt: {resources: {requests: {c pu: 1}}}}", "requests", "no name of a resource"),
    Mistake(
        "spec: {stt: {resources: {requests: {memory: 2Gi}, limits: {memory: 2000M}}}}",
        "spec.stt.resources",
        "a request must not be more than the limit",
    ),
    Mistake("spec: {translation: {engine: deepl}}", "spec.translation.engine", '"apertium"', "allowed: apertium"),
    Mistake("spec: {translation: {model: a/b}}", "spec.translation.model", "should match", "not allowed"),
    # Pod templates
    Mistake("spec: {podTemplate: {spec: {serviceAccountName: admin}}}", "spec.podTemplate", OPERATORS),
    Mistake("spec: {stt: {podTemplate: {spec: {hostNetwork: true}}}}", "spec.stt.podTemplate", OPERATORS),
    Mistake(
        "spec: {gateway: {podTemplate: {containers: []}}}", "podTemplate", "unknown field", "containers stand under"
    ),
    Mistake(
        "spec: {translation: {podTemplate: {spec: []}}}", "podTemplate", "must be of type object", "needs a mapping"
    ),
    # The rest
    Mistake("spec: {images: {registry: 'https://a'}}", "spec.images.registry", "match", "not allowed"),
    Mistake("spec: {images: {pullPolicy: always}}", "spec.images.pullPolicy", '"Always"', "did you mean Always?"),
    Mistake("spec: {images: {pullSecrets: [a, a]}}", "pullSecrets", "Duplicate value", "more than once"),
    Mistake("spec: {monitoring: {tracing: {}}}", "tracing.endpoint", "Required value", "required, but missing"),
    Mistake(
        "spec: {monitoring: {tracing: {endpoint: 'collector:4317'}}}", "tracing.endpoint", "no address of a collector"
    ),
    Mistake(
        "spec: {monitoring: {tracing: {endpoint: 'http://a', samplePercent: 0}}}",
        "tracing.samplePercent",
        "greater than or equal to 1",
        "at least 1",
    ),
    Mistake(
        "spec: {monitoring: {tracing: {endpoint: 'http://a', samplePercent: 0.5}}}",
        "tracing.samplePercent",
        "must be of type integer",
        "whole number",
    ),
    Mistake("spec: {monitoring: {interval: 15}}", "monitoring.interval", "must be of type string", "needs text"),
    Mistake("spec: {monitoring: {interval: 15 s}}", "monitoring.interval", "should match", "not allowed"),
    Mistake("spec: {networkPolicies: {gatewayFrom: [A]}}", "gatewayFrom[0]", "should match", "not allowed"),
    Mistake("spec: {networkPolicies: {operatorNamespace: a.b}}", "operatorNamespace", "should match", "not allowed"),
    Mistake(f"spec: {{monitoring: {{labels: {{{'k' * 64}: v}}}}}}", "monitoring.labels", "no key of a label"),
    Mistake("spec: {caBundle: {}}", "spec.caBundle", "give exactly one of configMap and secret"),
    Mistake("spec: {caBundle: {configMap: a, secret: b}}", "spec.caBundle", "give exactly one of configMap and secret"),
    Mistake("spec: {priorityClassName: High}", "spec.priorityClassName", "should match", "not allowed"),
    Mistake("spec: {paused: 'yes'}", "spec.paused", "must be of type boolean", "needs true or false"),
]
