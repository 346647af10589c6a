"""Two small tokenizers of the common kinds, trained, and the configuration files that go with them."""

from typing import Any

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = [
    "The quick brown fox jumps over the lazy dog, again and again.",
    "I loved every minute of it; a wonderful, funny film!",
    "Never again: the worst service I have ever had.",
    "Ein schöner Tag in München, 25 °C und Sonne.",
    "naïve café déjà vu — 東京は晴れ 🙂",
]

BERT_CONFIG: dict[str, Any] = {
    "model_max_length": 16,
    "pad_token": "[PAD]",
    "tokenizer_class": "BertTokenizer",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}
GPT_CONFIG: dict[str, Any] = {
    "model_max_length": int(1e30),
    "pad_token": {"__type": "AddedToken", "content": "<pad>", "lstrip": False, "normalized": False},
    "padding_side": "left",
    "truncation_side": "left",
    "tokenizer_class": "GPT2Tokenizer",
    "eos_token": "<eos>",
}


def bert() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def gpt() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[AddedToken("<eos>"), AddedToken("<pad>")],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer
