import * as z from 'zod'
import { parseHostname } from '../policy/host.ts'

/** The sections for what leaves in disguise and how much of it: `false` switches a section off. */

const hostText = z
  .string()
  .refine((text) => parseHostname(text) !== undefined, 'must be a host name or an address, such as api.example.com')

const action = z
  .enum(['flag', 'block'])
  .default('flag')
  .meta({ description: '`flag`: let it pass and say so in the audit log. `block`: refuse it.' })

const bits = z.number().min(0).max(8)

export const entropySection = z
  .union([
    z.literal(false),
    z.strictObject({
      threshold: bits.default(7).meta({
        description:
          'Bodies and messages from here on are reported, in bits a byte. Text has 4 to 6, compressed data nearly 8.',
      }),
      min_body_bytes: z.int().min(0).default(256).meta({ description: 'Smaller bodies are not looked at.' }),
      action,
      exempt_content_types: z
        .array(z.string().min(1))
        .default([
          'image/',
          'audio/',
          'video/',
          'font/',
          'application/pdf',
          'application/vnd.openxmlformats-officedocument.',
          'application/x-git-receive-pack-request',
          'application/x-git-upload-pack-request',
        ])
        .meta({
          description:
            'Media types, or how they start, that may be random. Where the format has a signature the body must bear it; other types are taken at their word.',
        }),
      host_exempt_content_types: z
        .record(hostText, z.array(z.string().min(1)))
        .default({})
        .meta({
          description:
            'The same for a host and its subdomains; `*` is every type, without a look at it. Where packages and images are published archives are exempt already.',
        }),
      check_url_params: z.boolean().default(true).meta({ description: 'Look at the names and values in queries.' }),
      check_url_path: z.boolean().default(true).meta({ description: 'Look at the segments of paths.' }),
      url_threshold: bits.default(5.5).meta({
        description:
          'Values in URLs from here on are reported, in bits a byte. `n` bytes have at most log2(n): 5.5 needs 46.',
      }),
      url_min_value_bytes: z
        .int()
        .min(1)
        .default(64)
        .meta({ description: 'Shorter values are not looked at one by one.' }),
      host_url_param_allowlist: z
        .record(hostText, z.array(z.string().min(1)))
        .default({})
        .meta({
          description:
            'Parameters that may be random, for a host and its subdomains; `*` switches every check of its URLs off. The signatures of CloudFront, S3, R2, Google and Azure storage, GitHub and Hugging Face are known.',
        }),
    }),
  ])
  .prefault({})
  .meta({ description: 'Reports bodies and URLs that are as random as encrypted or compressed data. `false`: off.' })

export const contentTypeSection = z
  .union([
    z.literal(false),
    z.strictObject({
      action,
      base64_min_len: z
        .int()
        .min(64)
        .default(256)
        .meta({ description: 'The shortest base64 text that is reported, in characters.' }),
      model_hosts: z.array(hostText).default([]).meta({
        description:
          'Hosts, with their subdomains, that take pictures, sound and documents as base64, beside the model APIs that are known.',
      }),
    }),
  ])
  .prefault({})
  .meta({
    description: 'Reports bodies that are not the text they claim to be, and long base64 in text. `false`: off.',
  })

export const decodingSection = z
  .strictObject({
    max_depth: z.int().min(1).max(16).default(4).meta({
      description: 'Layers of encoding that are undone, one around the other. Content codings of HTTP do not count.',
    }),
    max_growth: z.number().min(1).max(1000).default(4).meta({
      description: 'Bytes that are decoded, in times the size of the body; 4 MiB are added.',
    }),
    max_bytes: z.int().min(1_048_576).max(1_073_741_824).default(67_108_864).meta({
      description: 'Most bytes that are decoded of one body or message, whatever its size.',
    }),
    max_views: z.int().min(16).max(4096).default(256).meta({
      description: 'Most different contents that come of decoding one body or message.',
    }),
    too_deep: z
      .enum(['block', 'flag'])
      .default('block')
      .meta({ description: 'What happens to content with more layers.' }),
    too_many: z.enum(['block', 'flag']).default('block').meta({
      description:
        'What happens to content that holds more contents, or more compressed streams or archives than are opened.',
    }),
    too_large: z.enum(['block', 'flag']).default('flag').meta({
      description:
        'What happens to content that gives more bytes. Archives from about a megabyte on do; `block` refuses them.',
    }),
  })
  .prefault({})
  .meta({
    description: 'What is undone before inspectors and the search for secrets look, and what happens to the rest.',
  })

export const hostLabelsSection = z
  .union([
    z.literal(false),
    z.strictObject({
      action: action.meta({
        description: 'For labels that look like data: `flag` or `block`. What exceeds the limits is always blocked.',
      }),
      names_per_hour: z.int().min(0).default(500).meta({
        description: 'Different names below one entry of the allowlist within an hour; 0: no limit.',
      }),
      label_bytes_per_hour: z.int().min(0).default(16_384).meta({
        description: 'Bytes of different names below one entry of the allowlist within an hour; 0: no limit.',
      }),
    }),
  ])
  .prefault({})
  .meta({ description: 'Reports data in the names of hosts. `false`: off.' })

export const splitSection = z
  .union([
    z.literal(false),
    z.strictObject({
      action: z
        .enum(['block', 'flag'])
        .default('block')
        .meta({ description: 'What happens to the piece that makes a secret known.' }),
      window_seconds: z.int().min(60).max(86_400).default(3600).meta({
        description: 'How long pieces are remembered.',
      }),
    }),
  ])
  .prefault({})
  .meta({
    description:
      'Secrets that leave in pieces, over several requests or messages, to one host or to several. `false`: off.',
  })

export const budgetSection = z
  .union([
    z.literal(false),
    z.strictObject({
      bytes_per_hour: z.int().min(0).default(0).meta({ description: 'For all hosts together; 0: no limit.' }),
      per_host: z.record(hostText, z.int().min(0)).default({}).meta({
        description: 'Bytes an hour for a host and its subdomains together; 0: nothing at all.',
      }),
    }),
  ])
  .default(false)
  .meta({ description: 'The most that may leave within an hour: heads, bodies and messages. `false`: no limit.' })
