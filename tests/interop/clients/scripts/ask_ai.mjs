// Vercel's ai, with its provider for servers like OpenAI's; `responses` with that for OpenAI.

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, Output, streamText, tool } from "ai";
import { z } from "zod";
import { answer, ASKED } from "./answering.mjs";

const baseURL = process.env.OPENAI_BASE_URL;
const apiKey = process.env.OPENAI_API_KEY;
const local = createOpenAICompatible({
  name: "local",
  baseURL,
  apiKey,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const settings = { temperature: 0, maxOutputTokens: ASKED.max_tokens, maxRetries: 0 };
const model = local(ASKED.model);
const Review = z.object({ label: z.enum(["Positive", "Negative"]) });

await answer("ai", {
  async completions() {
    const asked = { ...settings, model: local.completionModel(ASKED.model) };
    const { request, text } = await generateText({ ...asked, prompt: ASKED.prompts[0] });
    return { asked: request.body, got: text }; // a prompt is sent as a conversation
  },

  async chat() {
    return (await generateText({ ...settings, model, prompt: ASKED.question })).text;
  },

  async stream() {
    const pieces = [];
    const { textStream } = streamText({
      ...settings,
      model,
      prompt: ASKED.question,
      onError({ error }) {
        throw error;
      },
    });
    for await (const piece of textStream) pieces.push(piece);
    return pieces;
  },

  async json_schema() {
    const output = Output.object({ schema: Review });
    const asked = { model, prompt: ASKED.review, output, maxRetries: 0 };
    return (await generateText(asked)).output;
  },

  async tools() {
    const keep = tool({ description: "Keep the label of a review.", inputSchema: Review });
    const { toolCalls } = await generateText({
      model,
      maxRetries: 0,
      prompt: ASKED.review,
      tools: { keep },
      toolChoice: { type: "tool", toolName: "keep" },
    });
    return { name: toolCalls[0].toolName, arguments: toolCalls[0].input };
  },

  async responses() {
    const openai = createOpenAI({ baseURL, apiKey });
    const asked = { ...settings, model: openai(ASKED.model), prompt: ASKED.question };
    return (await generateText({ ...asked, maxOutputTokens: ASKED.response_tokens })).text;
  },

  async embeddings() {
    const embedder = local.embeddingModel(ASKED.embedder);
    const asked = { model: embedder, values: ASKED.prompts, maxRetries: 0 };
    return (await embedMany(asked)).embeddings;
  },
});
