/* Made from config/schema.ts by scripts/generate.ts. */
import type { Config } from './schema.ts'

const TEXT =
  '{"secret_injection":[],"secrets":{"enabled":true,"action":"block","undecodable":"block","builtin_allow_to_domains":true,"allow_to_domains":{},"extra_patterns":[]},"decoding":{"max_depth":4,"max_growth":4,"max_bytes":67108864,"max_views":256,"too_deep":"block","too_many":"block","too_large":"flag"},"rate_limit":{"requests_per_second":10,"burst":50},"entropy":{"threshold":7,"min_body_bytes":256,"action":"flag","exempt_content_types":["image/","audio/","video/","font/","application/pdf","application/vnd.openxmlformats-officedocument.","application/x-git-receive-pack-request","application/x-git-upload-pack-request"],"host_exempt_content_types":{},"check_url_params":true,"check_url_path":true,"url_threshold":5.5,"url_min_value_bytes":64,"host_url_param_allowlist":{}},"content_type":{"action":"flag","base64_min_len":256,"model_hosts":[]},"host_labels":{"action":"flag","names_per_hour":500,"label_bytes_per_hour":16384},"split":{"action":"block","window_seconds":3600},"budget":false,"max_request_body":10485760,"inspectors":[],"max_inspected_response":10485760,"logging":{"dns_queries":false,"allowed_requests":true},"dns_servers":[],"ports":{"tcp":{"allow":[80,443]}},"upstream":{"allow_addresses":[],"connect_to":{}},"container":{"named_volumes":{},"tmpfs":[],"ports":[],"podman_secrets":[],"user":"1000:1000","read_only":true,"no_new_privileges":true,"security_label_disable":true,"drop_capabilities":["ALL"],"add_capabilities":[],"restart":"on-failure","restart_sec":10,"timeout_start_sec":120,"timeout_stop_sec":30,"volumes":[],"env":{},"pids":4096,"allow_credential_mounts":[]}}'

/** What the schema makes of an empty file. Reading the schema itself would take a tenth of a start. */
export function defaultConfig(): Config {
  return JSON.parse(TEXT) as Config
}
