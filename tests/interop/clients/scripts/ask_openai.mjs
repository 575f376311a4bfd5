// openai-node.

import OpenAI, { toFile } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { answer, ASKED } from "./answering.mjs";

const client = new OpenAI({ maxRetries: 0 });
const model = ASKED.model;
const settings = { model, max_tokens: ASKED.max_tokens, temperature: 0 };
const messages = [{ role: "user", content: ASKED.question }];
const review = [{ role: "user", content: ASKED.review }];
const Review = z.object({ label: z.enum(["Positive", "Negative"]) });

await answer("openai", {
  async models() {
    return (await client.models.list()).data.map((one) => one.id);
  },

  async completions() {
    const made = await client.completions.create({ ...settings, prompt: ASKED.prompts[0] });
    return made.choices[0].text;
  },

  async lists() {
    const made = await client.completions.create({ ...settings, prompt: ASKED.prompts });
    return made.choices.map((choice) => choice.text);
  },

  async logprobs() {
    const asked = { ...settings, prompt: ASKED.prompts[0], logprobs: 2 };
    return (await client.completions.create(asked)).choices[0].logprobs.token_logprobs;
  },

  async chat() {
    const made = await client.chat.completions.create({ ...settings, messages });
    return made.choices[0].message.content;
  },

  async stream() {
    const pieces = [];
    const runner = client.chat.completions.stream({ ...settings, messages });
    runner.on("content", (piece) => pieces.push(piece));
    await runner.finalChatCompletion();
    return pieces;
  },

  async chat_logprobs() {
    const asked = { ...settings, messages, logprobs: true, top_logprobs: 2 };
    const made = await client.chat.completions.create(asked);
    return made.choices[0].logprobs.content.map((token) => token.logprob);
  },

  async json_schema() {
    const response_format = zodResponseFormat(Review, "review");
    const asked = { model, messages: review, response_format };
    return (await client.chat.completions.parse(asked)).choices[0].message.parsed;
  },

  async tools() {
    const parameters = z.toJSONSchema(Review);
    const description = "Keep the label of a review.";
    const made = await client.chat.completions.create({
      model,
      messages: review,
      tools: [{ type: "function", function: { name: "keep", description, parameters } }],
      tool_choice: { type: "function", function: { name: "keep" } },
    });
    const message = made.choices[0].message;
    const [call] = message.tool_calls;
    const kept = { role: "tool", tool_call_id: call.id, content: "kept" };
    await client.chat.completions.create({ ...settings, messages: [...review, message, kept] });
    return { name: call.function.name, arguments: JSON.parse(call.function.arguments) };
  },

  async responses() {
    const asked = { model, input: ASKED.question, temperature: 0 };
    const made = await client.responses.create({ ...asked, max_output_tokens: ASKED.response_tokens });
    return made.output_text;
  },

  async embeddings() {
    const asked = { model: ASKED.embedder, input: ASKED.prompts };
    return (await client.embeddings.create(asked)).data.map((one) => one.embedding);
  },

  async fine_tuning() {
    const rows = ASKED.rows.map(([text, label]) =>
      JSON.stringify({ prompt: `${text} ->`, completion: ` ${label}` }),
    );
    const file = await client.files.create({
      file: await toFile(Buffer.from(rows.join("\n")), "rows.jsonl"),
      purpose: "fine-tune",
    });
    const asked = { model, training_file: file.id };
    let job = await client.fineTuning.jobs.create({ ...asked, hyperparameters: { n_epochs: 1 } });
    while (!["succeeded", "failed", "cancelled"].includes(job.status)) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      job = await client.fineTuning.jobs.retrieve(job.id);
    }
    const made = { model: job.fine_tuned_model, prompt: "a film ->", max_tokens: 1 };
    await client.completions.create(made);
    return job.fine_tuned_model;
  },
});
