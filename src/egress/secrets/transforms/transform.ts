import type { AwsConfig, GoogleConfig, HmacConfig, OauthConfig } from '../../../config/schema-transforms.ts'

/** What a rule says about its transform. */
export type TransformRule =
  | { readonly transform: 'google-jwt-bearer'; readonly transform_config: GoogleConfig }
  | { readonly transform: 'aws-sigv4'; readonly transform_config: AwsConfig }
  | { readonly transform: 'oauth2-refresh'; readonly transform_config: OauthConfig }
  | { readonly transform: 'hmac'; readonly transform_config: HmacConfig }

export interface SecretTransform {
  readonly rule: TransformRule
  /** Keeps a value that takes the place of the secret's, for the next start. */
  readonly keep?: (value: string) => Promise<void>
}
