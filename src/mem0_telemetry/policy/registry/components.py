# SPDX-License-Identifier: Apache-2.0
"""The component classes whose names may be sent: those in the provider tables of Mem0's own factories.

Each kind has one tuple for all releases from mem0ai 1.0.0 on; a test compares it with the installed release. A class of
the application becomes `custom`. To add a class of Mem0, add its path here; nothing else has to change.
"""

from __future__ import annotations

VECTOR_STORES = (
    "mem0.vector_stores.azure_ai_search.AzureAISearch",
    "mem0.vector_stores.azure_mysql.AzureMySQL",
    "mem0.vector_stores.baidu.BaiduDB",
    "mem0.vector_stores.cassandra.CassandraDB",
    "mem0.vector_stores.chroma.ChromaDB",
    "mem0.vector_stores.databricks.Databricks",
    "mem0.vector_stores.elasticsearch.ElasticsearchDB",
    "mem0.vector_stores.faiss.FAISS",
    "mem0.vector_stores.langchain.Langchain",
    "mem0.vector_stores.milvus.MilvusDB",
    "mem0.vector_stores.mongodb.MongoDB",
    "mem0.vector_stores.neptune_analytics.NeptuneAnalyticsVector",
    "mem0.vector_stores.opensearch.OpenSearchDB",
    "mem0.vector_stores.oracledb.OracleAIVectorSearch",
    "mem0.vector_stores.pgvector.PGVector",
    "mem0.vector_stores.pinecone.PineconeDB",
    "mem0.vector_stores.qdrant.Qdrant",
    "mem0.vector_stores.redis.RedisDB",
    "mem0.vector_stores.s3_vectors.S3Vectors",
    "mem0.vector_stores.supabase.Supabase",
    "mem0.vector_stores.turbopuffer.TurbopufferDB",
    "mem0.vector_stores.upstash_vector.UpstashVector",
    "mem0.vector_stores.valkey.ValkeyDB",
    "mem0.vector_stores.vertex_ai_vector_search.GoogleMatchingEngine",
    "mem0.vector_stores.weaviate.Weaviate",
)

LLMS = (
    "mem0.llms.anthropic.AnthropicLLM",
    "mem0.llms.aws_bedrock.AWSBedrockLLM",
    "mem0.llms.azure_openai.AzureOpenAILLM",
    "mem0.llms.azure_openai_structured.AzureOpenAIStructuredLLM",
    "mem0.llms.deepseek.DeepSeekLLM",
    "mem0.llms.gemini.GeminiLLM",
    "mem0.llms.groq.GroqLLM",
    "mem0.llms.langchain.LangchainLLM",
    "mem0.llms.litellm.LiteLLM",
    "mem0.llms.lmstudio.LMStudioLLM",
    "mem0.llms.minimax.MiniMaxLLM",
    "mem0.llms.ollama.OllamaLLM",
    "mem0.llms.openai.OpenAILLM",
    "mem0.llms.openai_structured.OpenAIStructuredLLM",
    "mem0.llms.sarvam.SarvamLLM",
    "mem0.llms.together.TogetherLLM",
    "mem0.llms.vllm.VllmLLM",
    "mem0.llms.xai.XAILLM",
)

EMBEDDING_MODELS = (
    "mem0.embeddings.aws_bedrock.AWSBedrockEmbedding",
    "mem0.embeddings.azure_openai.AzureOpenAIEmbedding",
    "mem0.embeddings.fastembed.FastEmbedEmbedding",
    "mem0.embeddings.gemini.GoogleGenAIEmbedding",
    "mem0.embeddings.huggingface.HuggingFaceEmbedding",
    "mem0.embeddings.langchain.LangchainEmbedding",
    "mem0.embeddings.lmstudio.LMStudioEmbedding",
    "mem0.embeddings.mock.MockEmbeddings",  # built by the factory if the vector store embeds by itself
    "mem0.embeddings.ollama.OllamaEmbedding",
    "mem0.embeddings.openai.OpenAIEmbedding",
    "mem0.embeddings.together.TogetherEmbedding",
    "mem0.embeddings.vertexai.VertexAIEmbedding",
)

GRAPH_STORES = (
    "mem0.graphs.neptune.neptunedb.MemoryGraph",
    "mem0.graphs.neptune.neptunegraph.MemoryGraph",
    "mem0.memory.apache_age_memory.MemoryGraph",
    "mem0.memory.graph_memory.MemoryGraph",
    "mem0.memory.kuzu_memory.MemoryGraph",
    "mem0.memory.memgraph_memory.MemoryGraph",
)

MEMORIES = ("mem0.memory.main.Memory", "mem0.memory.main.AsyncMemory")

CLIENTS = (
    "mem0.client.main.MemoryClient",
    "mem0.client.main.AsyncMemoryClient",
    "mem0.client.project.Project",
    "mem0.client.project.AsyncProject",
)
