"""Questions about chapter 08: why it works."""

from bnlearn.exercises.definition import Section
from bnlearn.exercises.quizzes.definition import Choice, Question
from bnlearn.exercises.quizzes.programs import spot

PAGE = "08_why_it_works"
SHAKEN = Section(PAGE, "The shift is back")
SMOOTH = Section(PAGE, "A smoother road")
CHOOSE = Section(PAGE, "Weights that choose their own rate")
EQUILIBRIUM = Section(PAGE, "The equilibrium")
EXPLODES = Section(PAGE, "A gradient that explodes before training starts")
ESCAPE = Section(PAGE, "Why residual networks escape")
MYTHS = Section(PAGE, "What people get wrong")

QUESTIONS = (
    Question(
        "shaken",
        "Behind every batch norm of a sigmoid network a random shift and scale is added, "
        "new at every step. What was found?",
        Choice(
            "It learns about as well as without, with more shift than the plain network.",
            "So it is not for want of shift that the network with batch norm learns.",
            SHAKEN,
        ),
        (
            Choice(
                "It learns no better than the plain network.",
                "That is what one expects if shift is what harms. But it reached above 90 % "
                "where the plain one stayed below 70 %.",
                SHAKEN,
            ),
            Choice(
                "It learns, because the next norm removes the shift again.",
                "The shift was measured where it enters the last sigmoid, behind the "
                "shaking. There it was, a hundred times what it is without.",
                SHAKEN,
            ),
            Choice(
                "It learns, so shift never does any harm.",
                "Shaking that is strong enough prevents learning. One strength was tried "
                "here, with more shift than the plain network has.",
                SHAKEN,
            ),
        ),
    ),
    Question(
        "smoothest-road",
        "Four networks were compared: rectifiers and sigmoids, each plain and with batch norm. "
        "Along whose gradient does the loss range least?",
        Choice(
            "Plain sigmoids",
            "They stand on a plateau: smooth, and nothing is learned there.",
            SMOOTH,
        ),
        (
            Choice(
                "Rectifiers with batch norm",
                "Their road is smoother than that of plain rectifiers. One network walks "
                "on a smoother one still, and gets nowhere.",
                SMOOTH,
            ),
            Choice(
                "Sigmoids with batch norm, where it helps most",
                "It helps by leading off the plateau, onto a road that is less smooth.",
                SMOOTH,
            ),
            Choice(
                "Plain rectifiers",
                "At the first step they are smoother than with batch norm. Later the loss "
                "ranges some ten times as far.",
                SMOOTH,
            ),
        ),
    ),
    Question(
        "three-times-as-long",
        "All weights in front of a batch norm are made 3 times as long. What becomes of their "
        "gradient?",
        Choice(
            "It is 3 times shorter.",
            "The function is the same, but a given change of the weights is now a smaller "
            "part of them.",
            CHOOSE,
        ),
        (
            Choice(
                "It stays the same, as the function does.",
                "A derivative is change per distance, and the same turn now takes 3 times "
                "the distance.",
                CHOOSE,
            ),
            Choice(
                "It is 3 times longer.",
                "That would be so if the loss grew with the square of the weights. Here it "
                "does not depend on their length.",
                CHOOSE,
            ),
            Choice(
                "It is 9 times shorter.",
                "That is how much less a step turns the weights: one factor of 3 from the "
                "gradient, one from the length.",
                CHOOSE,
            ),
        ),
    ),
    Question(
        "twelve-and-five",
        "The weights in front of a batch norm have the length 12 and make a plain step of "
        "length 5, without weight decay. How long are they now?",
        Choice(
            "13",
            "The step is perpendicular to the weights, so Pythagoras gives the length.",
            CHOOSE,
        ),
        (
            Choice(
                "7",
                "That would be a step straight back. Along the weights the loss is flat, "
                "so the gradient has no such part.",
                CHOOSE,
            ),
            Choice(
                "17",
                "That would be a step straight outwards. The weights do get longer, but "
                "by less.",
                CHOOSE,
            ),
            Choice(
                "12: only the direction changes",
                "Only the direction matters, but a straight step along a tangent leaves "
                "the sphere.",
                CHOOSE,
            ),
        ),
    ),
    Question(
        "set-back",
        "The hidden weights in front of batch norms get the rate 1,000, and after each step "
        "every row is set back to its old length. What happens?",
        Choice(
            "Training fails.",
            "At that length each step turns the weights far too much. It is their growth "
            "that would have made the turns small.",
            CHOOSE,
        ),
        (
            Choice(
                "It works: only the direction counts.",
                "The function depends on the direction alone. How far a step turns it "
                "depends on the length.",
                CHOOSE,
            ),
            Choice(
                "It works better, since no weights can explode.",
                "Their growth looked like an explosion and was the brake.",
                CHOOSE,
            ),
            Choice(
                "It fails, but so does the network that is left alone.",
                "Left alone, it stays above 85 % at every rate from 0.1 to 1,000.",
                CHOOSE,
            ),
        ),
    ),
    Question(
        "four-times-the-rate",
        "Normalised weights are in equilibrium. The learning rate is made 4 times as large, "
        "decay and momentum stay. By what factor will the turn per step change in the end?",
        Choice(
            "2",
            "The turn goes with the root of rate times decay.",
            EQUILIBRIUM,
        ),
        (
            Choice(
                "4",
                "So it is at first. Then the weights grow by 1.41, the effective rate falls "
                "by half, and so does the turn.",
                EQUILIBRIUM,
            ),
            Choice(
                "1: the growing length makes up for it",
                "It makes up for half of it. Only the product of rate and decay counts, "
                "and that has changed.",
                EQUILIBRIUM,
            ),
            Choice(
                "1.41, the fourth root of 4",
                "By this factor the length changes. The turn has a square root.",
                EQUILIBRIUM,
            ),
        ),
    ),
    Question(
        "what-decay-does",
        "Why does weight decay in front of a batch norm not make the network's function "
        "simpler?",
        Choice(
            "The function does not depend on how long these weights are.",
            "The norm divides by the spread, and shorter weights make that smaller too.",
            MYTHS,
        ),
        (
            Choice(
                "Batch norm sets the weights back to their length at each step.",
                "It never touches weights. It divides what they put out.",
                MYTHS,
            ),
            Choice(
                "The decay is too small against the gradient.",
                "In equilibrium the two balance. Even so, what decay shortens has no effect.",
                EQUILIBRIUM,
            ),
            Choice(
                "gamma grows by as much as the weights shrink.",
                "It has no need to: the output is the same for shorter weights and the same "
                "gamma.",
                CHOOSE,
            ),
        ),
    ),
    Question(
        "degrees-1-and-3",
        "An activation is made of two Hermite polynomials, of degree 1 and 3. Each gives half "
        "of its variance. By what factor does a layer multiply the gradient's squared length?",
        Choice(
            "2",
            "Each degree counts with its share: half of 1 and half of 3.",
            EXPLODES,
        ),
        (
            Choice(
                "1: the norm keeps the variance",
                "Forward it does. The slopes have a larger mean square than the values "
                "have variance, and going back it is the slopes that count.",
                EXPLODES,
            ),
            Choice(
                "1.41",
                "This is the factor of the length. That of its square was asked for.",
                EXPLODES,
            ),
            Choice(
                "5, with the squares of the degrees",
                "A derivative brings the root of the degree, its square the degree itself.",
                EXPLODES,
            ),
        ),
    ),
    Question(
        "forty-layers",
        "Forty layers, batch norm, no skip connections, 60 steps. Which activation did best "
        "on the digits?",
        Choice(
            "The sigmoid",
            "It is the most nearly straight of the three where its inputs are, so its chi is "
            "nearest to 1.",
            ESCAPE,
        ),
        (
            Choice(
                "The rectifier, whose slope is 1",
                "Half the time it is 0, and that bend costs a factor of 1.47 per layer.",
                ESCAPE,
            ),
            Choice(
                "tanh, since it keeps the mean at zero",
                "It lies between the two others. The norm takes away every mean anyhow.",
                ESCAPE,
            ),
            Choice(
                "None: batch norm makes them equal",
                "It gives them inputs of the same mean and spread. What they do to these "
                "differs.",
                ESCAPE,
            ),
        ),
    ),
    Question(
        "branch-without-norm",
        "A deep residual network has branches of rectifier and linear map, with He weights and "
        "without a norm. Why do its gradients explode in spite of the skips?",
        Choice(
            "Each branch is as large as its stream, so each block doubles the square.",
            "The branch keeps the mean square of what it gets, and both are added. With a "
            "norm at its end the branch stays at 1 while the stream grows.",
            ESCAPE,
        ),
        (
            Choice(
                "The rectifier's chi of 1.47 acts in every block.",
                "That factor comes from a norm that divides by a small spread. Here there "
                "is none.",
                ESCAPE,
            ),
            Choice(
                "Skips always make gradients longer, block by block.",
                "A skip alone leaves them as they are. What is added to it matters.",
                ESCAPE,
            ),
            Choice(
                "He weights make each linear map double the signal.",
                "They double it to make up for the half that the rectifier removes.",
                MYTHS,
            ),
        ),
    ),
    Question(
        "gamma-at-zero",
        "In every branch of a residual network the last norm starts with gamma = 0. How "
        "much longer is the gradient at the start of the stream than at its end, before "
        "training?",
        Choice(
            "Not at all",
            "All blocks are the identity, forwards and backwards.",
            ESCAPE,
        ),
        (
            Choice(
                "It has vanished: gamma = 0 lets nothing pass.",
                "Nothing passes the branches. Everything passes the skips.",
                ESCAPE,
            ),
            Choice(
                "By the root of the product of 1 + chi / l",
                "This is for gamma = 1. The branch's part carries the square of gamma.",
                ESCAPE,
            ),
            Choice(
                "It is undefined, since the norm divides by zero.",
                "The norm divides by the spread of what enters it. gamma multiplies.",
                ESCAPE,
            ),
        ),
    ),
    spot(
        "momentum-and-decay",
        "decay-decoupled",
        "old-velocity",
        "averaged",
        "rate-in-velocity",
    ),
    spot(
        "explosion-factor",
        "second-moment",
        "slope-not-squared",
        "root-taken",
        "square-for-length",
    ),
)
