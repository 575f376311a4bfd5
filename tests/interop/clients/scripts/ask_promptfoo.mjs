// promptfoo, as a library: its `evaluate` is what `promptfoo eval` runs.

import { answer, ASKED } from "./answering.mjs";

Object.assign(process.env, {
  PROMPTFOO_CACHE_ENABLED: "false",
  PROMPTFOO_CONFIG_DIR: `${process.cwd()}/promptfoo`,
  PROMPTFOO_DISABLE_REMOTE_GENERATION: "true",
  PROMPTFOO_DISABLE_TELEMETRY: "1",
  PROMPTFOO_DISABLE_UPDATE: "1",
});
const { default: promptfoo } = await import("promptfoo");

const short = { temperature: 0, max_tokens: ASKED.max_tokens };
const schema = {
  type: "object",
  properties: { label: { type: "string", enum: ["Positive", "Negative"] } },
  required: ["label"],
  additionalProperties: false,
};

async function responseOf(kind, prompt, config) {
  const provider = { id: `openai:${kind}:${ASKED.model}`, config };
  const suite = { providers: [provider], prompts: ["{{text}}"], tests: [{ vars: { text: prompt } }] };
  const made = await promptfoo.evaluate(suite, { maxConcurrency: 1 });
  const [{ response, error }] = made.results ?? (await made.toEvaluateSummary()).results;
  if (error) throw new Error(error);
  return response;
}

await answer("promptfoo", {
  async completions() {
    return (await responseOf("completion", ASKED.prompts[0], short)).output;
  },

  async chat() {
    return (await responseOf("chat", ASKED.question, short)).output;
  },

  async chat_logprobs() {
    const config = { ...short, passthrough: { logprobs: true } };
    return (await responseOf("chat", ASKED.question, config)).logProbs;
  },

  async json_schema() {
    const json_schema = { name: "review", strict: true, schema };
    const response_format = { type: "json_schema", json_schema };
    return (await responseOf("chat", ASKED.review, { response_format })).output;
  },

  async tools() {
    const description = "Keep the label of a review.";
    const keep = { name: "keep", description, parameters: schema };
    const [call] = (
      await responseOf("chat", ASKED.review, {
        tools: [{ type: "function", function: keep }],
        tool_choice: { type: "function", function: { name: "keep" } },
      })
    ).output;
    return { name: call.function.name, arguments: JSON.parse(call.function.arguments) };
  },

  async responses() {
    const config = { temperature: 0, max_output_tokens: ASKED.response_tokens };
    return (await responseOf("responses", ASKED.question, config)).output;
  },

  async embeddings() {
    const provider = await promptfoo.loadApiProvider(`openai:embedding:${ASKED.embedder}`);
    const made = ASKED.prompts.map((text) => provider.callEmbeddingApi(text));
    return (await Promise.all(made)).map((one) => one.embedding);
  },
});
process.exit();
