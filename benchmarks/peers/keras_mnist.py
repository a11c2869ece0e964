"""The "Simple MNIST convnet" of keras.io/examples/vision/mnist_convnet on a folder; KERAS_BACKEND chooses."""

import time

import keras
import numpy as np
from common import arguments, arrays, latency, say
from keras import layers


def main():
    chosen = arguments()
    keras.utils.set_random_seed(1)
    x, y = arrays(chosen.data / "train")
    judged, right = arrays(chosen.data / "test")
    x, judged = (one.astype("float32").reshape(*one.shape[:3], -1) / 255 for one in (x, judged))
    classes = int(y.max()) + 1
    net = keras.Sequential(
        [
            keras.Input(shape=x.shape[1:]),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ]
    )
    net.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    for epoch in range(1, chosen.epochs + 1):
        begun = time.time()
        net.fit(x, y, batch_size=chosen.batch or 128, epochs=1, verbose=0)
        seconds = time.time() - begun
        accuracy = float(net.evaluate(judged, right, verbose=0, batch_size=1000)[1])
        say(epoch, accuracy, len(x), seconds)
        if accuracy >= chosen.target:
            break
    if chosen.predict:
        one = np.ascontiguousarray(judged[:1])
        latency(lambda: net.predict(one, verbose=0))


if __name__ == "__main__":
    main()
