import { DIGITS, HEX, pattern, prefixed, sample } from './build.ts'
import type { SecretPattern } from './pattern.ts'

/** Payment, commerce, messaging and mail. */
export const SERVICE_PATTERNS: readonly SecretPattern[] = [
  prefixed(
    ['slack_token', 'Slack', ['slack.com']],
    ['xoxb-', 'xoxp-', 'xoxo-', 'xoxr-', 'xoxs-', 'xoxa-', 'xoxe', 'xoxc-', 'xoxd-'],
    {
      regex:
        /xox(?:[bpors]-[0-9]{10,20}-[A-Za-z0-9-]{1,255}|a-(?:2-)?[0-9]{10,20}-[A-Za-z0-9-]{1,255}|e(?:\.xox[bp])?-[0-9]-[A-Za-z0-9]{100,250}|c-[0-9]{10,20}-[A-Za-z0-9-]{20,255}|d-[A-Za-z0-9%+/_-]{60,400})/,
      positive: `xox${'b-'}${sample(12, DIGITS)}-${sample(13, DIGITS)}-${sample(24)}`,
      negative: `xox${'b-'}your-token-here`,
    },
  ),
  prefixed(['slack_app_token', 'Slack', ['slack.com']], 'xapp-', {
    regex: /xapp-[0-9]-[A-Z0-9]{8,14}-[0-9]{10,16}-[a-f0-9]{64}/,
    positive: `xap${'p-1-'}A07QXMZKRPV-${sample(13, DIGITS)}-${sample(64, HEX)}`,
  }),
  prefixed(['slack_webhook', 'Slack', ['slack.com']], 'hooks.slack.com/', {
    regex:
      /hooks\.slack\.com\/(?:services\/T[A-Z0-9]{7,12}\/B[A-Z0-9]{7,12}\/[A-Za-z0-9]{23,25}|(?:workflows|triggers)\/[A-Za-z0-9+/]{40,100})/,
    positive: `hooks.slack${'.com/services/'}T07QXMZKR/B07QXMZKR/${sample(24)}`,
  }),
  prefixed(['stripe_key', 'Stripe', ['stripe.com']], ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_'], {
    regex: /[sr]k_(?:live|test)_[0-9a-zA-Z]{24,255}/,
    positive: `sk${'_live_'}${sample(24)}`,
  }),
  prefixed(['stripe_webhook_secret', 'Stripe', ['stripe.com']], 'whsec_', {
    regex: /whsec_[A-Za-z0-9+/]{32,64}/,
    positive: `wh${'sec_'}${sample(32)}`,
  }),
  prefixed(['square_token', 'Square', ['squareup.com']], ['sq0atp-', 'sq0csp-', 'sq0idp-', 'EAAA'], {
    regex:
      /(?:sq0(?:atp-[A-Za-z0-9_-]{22}|csp-[A-Za-z0-9_-]{43})|(?<![A-Za-z0-9+/_-])EAAA[A-Za-z0-9_-]{60}(?![A-Za-z0-9+/_-]))/,
    positive: `sq0${'csp-'}${sample(43)}`,
  }),
  prefixed(['paypal_braintree_token', 'Braintree', ['braintreegateway.com', 'paypal.com']], 'access_token$', {
    regex: /access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}/,
    positive: `access_token${'$production$'}${sample(16, HEX)}$${sample(32, HEX)}`,
  }),
  prefixed(['shopify_token', 'Shopify', ['myshopify.com', 'shopify.com']], ['shpat_', 'shpca_', 'shppa_', 'shpss_'], {
    regex: /shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}/,
    positive: `shp${'at_'}${sample(32, HEX)}`,
  }),
  prefixed(['razorpay_key', 'Razorpay', ['razorpay.com']], ['rzp_live_', 'rzp_test_'], {
    regex: /rzp_(?:live|test)_[A-Za-z0-9]{14}:[A-Za-z0-9]{24}/,
    positive: `rzp${'_live_'}${sample(14)}:${sample(24)}`,
  }),
  prefixed(['flutterwave_key', 'Flutterwave', ['flutterwave.com']], ['FLWSECK'], {
    regex: /FLWSECK(?:_TEST)?-[a-f0-9]{32}-X/,
    positive: `FLW${'SECK-'}${sample(32, HEX)}-X`,
    negative: `FLW${'SECK-'}${sample(20, HEX)}-X`,
  }),
  prefixed(['plaid_token', 'Plaid', ['plaid.com']], ['access-sandbox-', 'access-development-', 'access-production-'], {
    regex: /access-(?:sandbox|development|production)-[a-f0-9]{8}-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}/,
    positive: `access${'-production-'}3f9a0c7e-1b5d-4284-9f3a-0c7e1b5d2846`,
  }),
  pattern(
    ['twilio_key', 'Twilio', ['twilio.com']],
    { kind: 'run', least: 34, begins: 'SK' },
    { regex: /(?<![A-Za-z0-9_-])SK[a-f0-9]{32}(?![A-Za-z0-9_-])/, positive: `S${'K'}${sample(32, HEX)}` },
  ),
  prefixed(['sendgrid_key', 'SendGrid', ['sendgrid.com']], 'SG.', {
    regex: /SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}/,
    positive: `S${'G.'}${sample(22)}.${sample(43)}`,
  }),
  prefixed(['mailgun_key', 'Mailgun', ['mailgun.net']], ['key-'], {
    regex: /(?<![A-Za-z0-9_-])key-[a-f0-9]{32}(?![A-Za-z0-9_-])/,
    positive: `ke${'y-'}${sample(32, HEX)}`,
  }),
  pattern(
    ['mailchimp_key', 'Mailchimp', ['mailchimp.com']],
    {
      kind: 'inner',
      literals: ['-us1', '-us2', '-us3', '-us4', '-us5', '-us6', '-us7', '-us8', '-us9'],
      start: '',
      back: 32,
    },
    {
      regex: /(?<![a-f0-9])[a-f0-9]{32}-us[0-9]{1,2}(?![A-Za-z0-9-])/,
      positive: `${sample(32, HEX)}${'-us'}14`,
      negative: `${sample(31, HEX)}g${'-us'}14`,
    },
  ),
  prefixed(['brevo_key', 'Brevo', ['brevo.com', 'sendinblue.com']], ['xkeysib-', 'xsmtpsib-'], {
    regex: /x(?:key|smtp)sib-[a-f0-9]{64}-[A-Za-z0-9]{16}/,
    positive: `xkey${'sib-'}${sample(64, HEX)}-${sample(16)}`,
  }),
  prefixed(['resend_key', 'Resend', ['resend.com']], 're_', {
    regex: /(?<![A-Za-z0-9_])re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}(?![A-Za-z0-9])/,
    positive: `r${'e_'}${sample(8)}_${sample(24)}`,
  }),
  pattern(
    ['telegram_bot_token', 'Telegram', ['api.telegram.org']],
    { kind: 'run', least: 35, after: ':', back: 17 },
    {
      regex: /(?<![0-9])[0-9]{5,16}:[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/,
      positive: `${sample(10, DIGITS)}:${'AA'}${sample(33)}`,
    },
  ),
  pattern(
    ['discord_bot_token', 'Discord', ['discord.com']],
    { kind: 'run', least: 27, after: '.', back: 36 },
    {
      regex: /[MNO][A-Za-z0-9_-]{23,26}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,255}/,
      positive: `M${sample(23)}.${'G7Rk2X'}.${sample(38)}`,
      negative: `M${sample(23)}.${'G7Rk2'}.${sample(38)}`,
    },
  ),
  prefixed(['discord_webhook', 'Discord', ['discord.com', 'discordapp.com']], ['/api/webhooks/'], {
    regex: /\/api\/webhooks\/[0-9]{17,20}\/[A-Za-z0-9_-]{60,80}/,
    positive: `discord.com/api${'/webhooks/'}${sample(18, DIGITS)}/${sample(68)}`,
    negative: `discord.com/api${'/webhooks/'}${sample(18, DIGITS)}`,
  }),
  prefixed(
    ['facebook_token', 'Meta', ['facebook.com', 'instagram.com', 'whatsapp.com']],
    ['EAAM', 'EAAC', 'EAAG', 'EAAB', 'EAAJ'],
    {
      regex: /(?<![A-Za-z0-9+/_-])EAA[MCGBJ][A-Za-z0-9]{100,400}(?![A-Za-z0-9+/_-])/,
      positive: `EA${'AG'}${sample(160)}`,
      negative: `EA${'AG'}${sample(60)}`,
    },
  ),
  pattern(
    ['airtable_token', 'Airtable', ['airtable.com']],
    { kind: 'run', least: 64, after: '.', back: 18 },
    { regex: /pat[A-Za-z0-9]{14}\.[a-f0-9]{64}/, positive: `pa${'t'}${sample(14)}.${sample(64, HEX)}` },
  ),
  prefixed(['hubspot_token', 'HubSpot', ['hubapi.com']], ['pat-na1-', 'pat-eu1-', 'pat-na2-'], {
    regex: /pat-(?:na|eu)[12]-[a-f0-9]{8}-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}/,
    positive: `pa${'t-na1-'}3f9a0c7e-1b5d-4284-9f3a-0c7e1b5d2846`,
  }),
  prefixed(['duffel_token', 'Duffel', ['duffel.com']], ['duffel_live_', 'duffel_test_'], {
    regex: /duffel_(?:live|test)_[A-Za-z0-9_-]{43}/,
    positive: `duffel${'_live_'}${sample(43)}`,
  }),
  prefixed(['easypost_key', 'EasyPost', ['easypost.com']], ['EZAK', 'EZTK'], {
    regex: /(?<![A-Za-z0-9])EZ[AT]K[A-Za-z0-9]{54}(?![A-Za-z0-9])/,
    positive: `EZ${'AK'}${sample(54)}`,
  }),
]
